package main

import (
	"io"
	"os"
	"path/filepath"
	"time"
)

// tail copies the command's stdout and stderr files to this process's own as they
// grow, until stop, which copies the rest and returns.
func tail(dir string) (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		follow(dir, end)
	}()
	return func() { close(end); <-done }
}

func follow(dir string, end <-chan struct{}) {
	type stream struct {
		from *os.File
		to   io.Writer
	}
	var streams []stream
	for name, to := range map[string]io.Writer{stdoutFile: os.Stdout, stderrFile: os.Stderr} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		defer f.Close()
		streams = append(streams, stream{f, to})
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for last := false; ; {
		for _, s := range streams {
			io.Copy(s.to, s.from) // a closed pipe ends this process like any other writer
		}
		if last {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			last = true
		}
	}
}
