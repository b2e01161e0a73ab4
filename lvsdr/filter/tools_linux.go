package filter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Tool returns the path of a system tool, also when PATH lacks the system's
// own folders, empty when there is none.
func Tool(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// RunTool runs a system tool in the namespaces of the calling thread. An error
// carries what the tool had to say.
func RunTool(ctx context.Context, input string, name string, args ...string) ([]byte, error) {
	path := Tool(name)
	if path == "" {
		return nil, fmt.Errorf("%s: %w", name, exec.ErrNotFound)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(input)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return out, nil
}

// IptablesCommand names iptables' command for a variant ("legacy", "nft") and a
// family ("ip", "ip6"), empty when the host has none. Not every distribution has
// the names with a suffix: without, the command tells its variant as "iptables
// v1.8.9 (nf_tables)", older ones as nothing.
func IptablesCommand(variant, family string) string {
	base := family + "tables"
	if Tool(base+"-"+variant) != "" {
		return base + "-" + variant
	}
	if Tool(base) == "" {
		return ""
	}
	version, err := RunTool(context.Background(), "", base, "-V")
	if err != nil || bytes.Contains(version, []byte("(nf_tables)")) != (variant == "nft") {
		return ""
	}
	return base
}

// LegacyTables are the tables of legacy iptables that the kernel has in this
// network namespace. They do not come into being by being asked about here.
func LegacyTables(family string) ([]string, error) {
	// A locked thread may be in another namespace than the process.
	names, err := os.ReadFile("/proc/thread-self/net/" + family + "_tables_names")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(names)), err
}

// NoCommand is the error of a kernel that filters with legacy iptables on a host
// without its command.
func NoCommand(family string) error {
	return fmt.Errorf("this kernel filters with iptables, but there is no %stables-legacy command: install the package iptables: %w",
		family, fs.ErrNotExist)
}
