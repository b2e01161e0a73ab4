//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// intoMemory makes the programs and their libraries load from memory, as they do
// on a machine that ran them before: the guest's root is an overlay, whose upper
// layer of memory takes a file when its mode is set. From the machine below, each
// page and each look at a name would cost a message through the hypervisor.
func intoMemory(programs ...string) error {
	for _, name := range programs {
		program, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		files := []string{program}
		out, _ := exec.Command("ldd", program).Output() // a static program has none
		for _, word := range strings.Fields(string(out)) {
			if strings.HasPrefix(word, "/") {
				files = append(files, word)
			}
		}
		for _, f := range files {
			if err := copyUp(f); err != nil {
				return fmt.Errorf("%s: %w", f, err)
			}
		}
	}
	return nil
}

func copyUp(name string) error {
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	return os.Chmod(real, info.Mode())
}
