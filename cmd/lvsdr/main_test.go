package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// process starts the command as a process of its own.
func process(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "LVSDR_TEST_MAIN=1")
	return cmd
}

func TestProcess(t *testing.T) {
	out, err := process(t, "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "lvsdr ") {
		t.Errorf("%q, %v", out, err)
	}
	cmd := process(t, "setup", "nonsense")
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != exitUsage {
		t.Errorf("%v, want exit status 2", err)
	}
}
