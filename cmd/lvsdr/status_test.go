package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// A process that watches ends with 0 on a signal, and where nobody reads any more.
func TestWatchEnds(t *testing.T) {
	for name, end := range map[string]func(*exec.Cmd, *os.File) error{
		"SIGINT":      func(c *exec.Cmd, _ *os.File) error { return c.Process.Signal(syscall.SIGINT) },
		"SIGTERM":     func(c *exec.Cmd, _ *os.File) error { return c.Process.Signal(syscall.SIGTERM) },
		"closed pipe": func(_ *exec.Cmd, r *os.File) error { return r.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			var stderr strings.Builder
			cmd := exec.Command(os.Args[0], "status", "--watch", "--interval", "100ms")
			cmd.Env = append(os.Environ(), "LVSDR_TEST_MAIN=1")
			cmd.Stdout, cmd.Stderr = w, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_ = w.Close()
			if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
				t.Errorf("no look: %v", err)
			}
			if err := end(cmd, r); err != nil {
				t.Error(err)
			}
			if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
				t.Errorf("ends with %v: %s", err, stderr.String())
			}
		})
	}
}
