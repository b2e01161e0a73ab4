package linux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// packages is the distribution's package manager.
type packages struct{}

// A manager is one of them: what a person types, and what keeps it from asking.
type manager struct {
	typed   []string
	quietly []string
	refresh []string // fetches the lists of packages that a fresh image lacks
}

var managers = []manager{
	{typed: []string{"apt-get", "install"}, quietly: []string{"--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=60"},
		refresh: []string{"apt-get", "update"}},
	{typed: []string{"dnf", "install"}, quietly: []string{"--assumeyes"}},
	{typed: []string{"zypper", "install"}, quietly: []string{"--non-interactive"}},
}

// packagesPatience is how long a package may take to come.
const packagesPatience = 5 * time.Minute

// find returns the first manager that is there.
func (packages) find() (manager, error) {
	for _, m := range managers {
		if _, err := program(m.typed[0]); err == nil {
			return m, nil
		}
	}
	return manager{}, absent{text: "no package manager is known here: none of apt-get, dnf and zypper"}
}

func (p packages) Command(name string) (string, error) {
	m, err := p.find()
	if err != nil {
		return "", err
	}
	return strings.Join(append(m.typed, name), " "), nil
}

func (p packages) Install(ctx context.Context, name string) error {
	m, err := p.find()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, packagesPatience)
	defer cancel()
	err = m.install(ctx, name)
	if err == nil || m.refresh == nil || ctx.Err() != nil {
		return err
	}
	if fresh := unasked(ctx, m.refresh...); fresh != nil {
		return errors.Join(err, fresh)
	}
	return m.install(ctx, name)
}

// install has the switches of zypper before its command, where it wants them.
func (m manager) install(ctx context.Context, name string) error {
	args := append([]string{m.typed[0]}, m.quietly...)
	return unasked(ctx, append(append(args, m.typed[1:]...), name)...)
}

// unasked runs a command that is to ask nothing, and fails with the end of what it said.
// When the time is over it is asked to end, so that it leaves no package half there.
func unasked(ctx context.Context, args ...string) error {
	path, err := program(args[0])
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args[1:]...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	err = cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // a service that the package started keeps the pipe
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("not done within %v: %w", packagesPatience, ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(path), err, lastLines(said.String()))
	}
	return nil
}

// lastLines are those that tell why: apt's errors, else the last three.
func lastLines(text string) string {
	const most = 3
	var all, errs []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		all = append(all, line)
		if strings.HasPrefix(line, "E: ") || strings.HasPrefix(line, "Error: ") {
			errs = append(errs, line)
		}
	}
	if len(errs) > 0 {
		all = errs
	}
	return strings.Join(all[max(0, len(all)-most):], "; ")
}
