package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A figures is what one run of the load printed.
type figures map[string]float64

// run starts a server, puts load on it, and ends it. A run that fails is told
// and counts for nothing.
func (b *builder) run(m measure, side int, d time.Duration) figures {
	f, err := b.try(m.sides[side], d)
	if err != nil {
		log.Printf("%s, %s: %v", m.name, m.sides[side].server, err)
	}
	return f
}

func (b *builder) try(s side, d time.Duration) (figures, error) {
	server, addr, err := b.start(s.server)
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}()
	args := append([]string{b.load, "-addr", addr, "-pid", strconv.Itoa(server.Process.Pid), "-d", d.String()}, strings.Fields(s.load)...)
	load := b.command("1", args...)
	var out, errs bytes.Buffer
	load.Stdout, load.Stderr = &out, &errs
	err = run(load, 3*time.Minute)
	var text map[string]any
	if json.Unmarshal(out.Bytes(), &text) != nil {
		return nil, fmt.Errorf("%w: %s", err, errs.String())
	}
	if text["error"] != nil {
		return nil, fmt.Errorf("%v", text["error"])
	}
	f := make(figures)
	for k, v := range text {
		f[k], _ = v.(float64)
	}
	return f, nil
}

func run(c *exec.Cmd, limit time.Duration) error {
	if err := c.Start(); err != nil {
		return err
	}
	defer time.AfterFunc(limit, func() { _ = c.Process.Kill() }).Stop()
	return c.Wait()
}

// start starts a server and waits until it says where it listens.
func (b *builder) start(name string) (*exec.Cmd, string, error) {
	args := []string{b.server, "-kind", name, "-addr", "127.0.0.1:0"}
	if script, ok := strings.CutPrefix(name, "node/"); ok {
		args = []string{"node", "node/" + script + ".js", "127.0.0.1:0"}
	}
	server := b.command("0", args...)
	out, err := server.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := server.Start(); err != nil {
		return nil, "", err
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		_ = server.Process.Kill()
		return nil, "", fmt.Errorf("the server did not start: %w", server.Wait())
	}
	go func() {
		for lines.Scan() {
		}
	}()
	return server, lines.Text(), nil
}
