package main

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// The opcodes of RFC 6455 §5.2 that matter here.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// appendFrame appends a client's frame. The mask is always the same: nobody
// between here and the server is to be kept from reading it.
func appendFrame(b []byte, op byte, payload []byte) []byte {
	mask := [4]byte{0x21, 0x8b, 0x4f, 0xd3}
	b = append(b, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i&3])
	}
	return b
}

// frameHeader reads the header of a server's frame. It returns a size of 0
// while b does not hold it.
func frameHeader(b []byte) (op byte, length, size int) {
	if len(b) < 2 {
		return 0, 0, 0
	}
	op, length = b[0]&15, int(b[1]&127)
	switch {
	case length < 126:
		return op, length, 2
	case length == 126 && len(b) >= 4:
		return op, int(binary.BigEndian.Uint16(b[2:])), 4
	case length == 127 && len(b) >= 10:
		return op, int(binary.BigEndian.Uint64(b[2:])), 10
	}
	return 0, 0, 0
}

// response reads a whole HTTP response. It returns a size of 0 while b does not
// hold it.
func response(b []byte) (status int, body []byte, size int) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, nil, 0
	}
	head, size := b[:end], end+4
	status, _ = strconv.Atoi(string(head[9:12]))
	if value, ok := header(head, "content-length"); ok {
		length, _ := strconv.Atoi(value)
		if len(b) < size+length {
			return 0, nil, 0
		}
		return status, b[size : size+length], size + length
	}
	for {
		line := bytes.Index(b[size:], []byte("\r\n"))
		if line < 0 {
			return 0, nil, 0
		}
		length, err := strconv.ParseUint(string(b[size:size+line]), 16, 31)
		start := size + line + 2
		if err != nil || len(b) < start+int(length)+2 {
			return 0, nil, 0
		}
		body = append(body, b[start:start+int(length)]...)
		if size = start + int(length) + 2; length == 0 {
			return status, body, size
		}
	}
}

func header(head []byte, name string) (string, bool) {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if ok && bytes.EqualFold(key, []byte(name)) {
			return string(bytes.TrimSpace(value)), true
		}
	}
	return "", false
}
