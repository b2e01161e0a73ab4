package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// What tells nothing of this host does not look at it: the threads' namespaces alone
// cost a few hundred system calls.
func TestCommandsWithoutHost(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "c.yaml")
	if err := os.WriteFile(file, []byte("services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{
		"version", "help", "help setup", "completion bash",
		"cloud-init realserver --vip 10.10.10.22", "cloud-init realserver -c " + file, "explain arp-ignore", "doctor --list", "check -c " + file,
	} {
		sys := newStage(dir).sys
		sys.host = func() *host.Host {
			t.Errorf("lvsdr %s looks at the host", words)
			return &host.Host{}
		}
		if status := run(t.Context(), strings.Fields(words), sys, io.Discard, io.Discard); status != 0 {
			t.Errorf("lvsdr %s ends with %d", words, status)
		}
	}
}
