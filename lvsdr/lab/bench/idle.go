//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"
)

// idle waits until the machine has nothing to do: the kernel takes down the namespaces
// of what was measured before in the background, for seconds where they had large tables.
// Under qemu with LVSDR_QEMU_ICOUNT waiting costs nothing.
func idle(ctx context.Context) error {
	const period, periods = 200 * time.Millisecond, 5
	deadline := time.Now().Add(time.Minute)
	for quiet := 0; quiet < periods; {
		before, err := idleTime()
		if err != nil {
			return err
		}
		begun := time.Now()
		time.Sleep(period)
		after, err := idleTime()
		if err != nil {
			return err
		}
		if quiet++; after-before < time.Since(begun)*8/10 {
			quiet = 0
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("the machine is busy with something else: %w", cmpErr(ctx))
		}
	}
	return nil
}

func cmpErr(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return os.ErrDeadlineExceeded
}

// idleTime is how long the processors had nothing to do since the start (proc_stat(5)).
func idleTime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	const tick = 10 * time.Millisecond // USER_HZ
	fields := bytes.Fields(text)
	if len(fields) < 5 || string(fields[0]) != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", text[:min(80, len(text))])
	}
	n, err := strconv.ParseInt(string(fields[4]), 10, 64)
	return time.Duration(n) * tick, err
}
