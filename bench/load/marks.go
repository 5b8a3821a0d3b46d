package main

import "bytes"

// A mark opens every text that is sent: "~" and a number in 8 hex digits. It is
// looked for in all that comes, however it is framed, so that a server may put
// messages together as it likes.
const markLen = 9

const hexDigits = "0123456789abcdef"

func putMark(text []byte, n uint32) {
	text[0] = '~'
	for i := 8; i > 0; i-- {
		text[i] = hexDigits[n&15]
		n >>= 4
	}
}

func readMark(b []byte) (n uint32, ok bool) {
	for _, c := range b[1:markLen] {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | uint32(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | uint32(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// marks calls f for each mark in b. It returns how many bytes at the end may be
// the beginning of another one.
func marks(b []byte, f func(n uint32)) (rest int) {
	for {
		i := bytes.IndexByte(b, '~')
		if i < 0 {
			return 0
		}
		if b = b[i:]; len(b) < markLen {
			return len(b)
		}
		if n, ok := readMark(b); ok {
			f(n)
			b = b[markLen:]
		} else {
			b = b[1:]
		}
	}
}
