//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// idle waits until the machine has had nothing to do for a second, ten at most: the
// kernel takes down the namespaces of what was measured before in the background. Under
// qemu with LVSDR_QEMU_ICOUNT waiting costs nothing.
func idle() error {
	const period, periods = 200 * time.Millisecond, 5
	for deadline, quiet := time.Now().Add(10*time.Second), 0; quiet < periods && time.Now().Before(deadline); quiet++ {
		begun := time.Now()
		before, err := idleTime()
		if err != nil {
			return err
		}
		time.Sleep(period)
		after, err := idleTime()
		if err != nil {
			return err
		}
		if after-before < time.Since(begun)*8/10 {
			quiet = -1
		}
	}
	return nil
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
