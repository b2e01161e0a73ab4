package linux

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// keepalived is the program, as lvsdr runs it: a service of systemd's own making where
// there is one in this network namespace, else a daemon.
type keepalived struct {
	conf, unit, description string
	pid, child              string   // the files with the numbers of its two processes
	arguments               []string // but for these files
}

// checks is the one that looks after the real servers: checks alone, and a table that
// stays.
var checks = keepalived{
	conf: host.KeepalivedConf, unit: "lvsdr-keepalived.service", description: "Health checks of an LVS director",
	pid: "/run/lvsdr/keepalived.pid", child: "/run/lvsdr/keepalived-checkers.pid",
	arguments: []string{"--check", "--dont-release-ipvs", "--checkers_pid=/run/lvsdr/keepalived-checkers.pid"},
}

// vrrp is the one that moves the VIPs.
type vrrp struct{ keepalived }

var vips = vrrp{keepalived{
	conf: host.VRRPConf, unit: "lvsdr-vrrp.service", description: "VRRP of an LVS director",
	pid: "/run/lvsdr/vrrp.pid", child: "/run/lvsdr/vrrp-child.pid",
	arguments: []string{"--vrrp", "--vrrp_pid=/run/lvsdr/vrrp-child.pid"},
}}

const (
	keepalivedName = "keepalived"

	// keepalivedPatience is how long it may take to come up and to end.
	keepalivedPatience = 30 * time.Second
)

// program finds a program of the administrator's, whose folders a user's PATH may lack.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", absent{text: name + " is not installed"}
}

func (keepalived) Version(ctx context.Context) (string, error) {
	path, err := program(keepalivedName)
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("keepalived --version: %w", err)
	}
	return string(out), nil
}

// Test gives the configuration in a file without a name: keepalived reads none that is
// no regular one, or is executable.
func (keepalived) Test(ctx context.Context, config []byte) error {
	path, err := program(keepalivedName)
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("keepalived.conf", unix.MFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "keepalived.conf")
	defer file.Close()
	if _, err := file.Write(config); err != nil {
		return err
	}
	if err := file.Chmod(0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, "--config-test", "--use-file=/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{file}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	return judge(string(out), err)
}

// harmless is what keepalived says, with status 5, of a service whose weights are all 0.
// It goes on with it, as is meant.
var harmless = []string{"exceeds total weight of real servers 0", "hysteresis 0 >= quorum 0"}

// judge takes only status 0 for good, and only of a file that was read.
func judge(out string, failed error) error {
	var lines []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line != "" && !slices.ContainsFunc(harmless, func(h string) bool { return strings.Contains(line, h) }) {
			lines = append(lines, line)
		}
	}
	unread := strings.Contains(out, "skipping")
	switch {
	case failed == nil && !unread, len(lines) == 0 && out != "":
		return nil
	case len(lines) == 0:
		lines = []string{failed.Error()}
	}
	return &host.KeepalivedError{Lines: lines}
}

func (k keepalived) Running(context.Context) (bool, error) {
	pid, err := runningPID(k.pid, k.conf)
	return pid != 0, err
}

// comesAgain tells whether systemd has it, or starts it again in a moment: one that was
// killed has no process for RestartSec.
func (k keepalived) comesAgain(ctx context.Context) bool {
	if _, err := os.Stat("/run/systemd/transient/" + k.unit); err != nil || !systemdHere() {
		return false
	}
	state, err := exec.CommandContext(ctx, "systemctl", "show", "--property=ActiveState", k.unit).Output()
	return err == nil && slices.Contains([]string{"active", "activating"}, strings.TrimSpace(strings.TrimPrefix(string(state), "ActiveState=")))
}

// Reload is a signal (keepalived(8)).
func (v vrrp) Reload(context.Context) error {
	pid, err := runningPID(v.pid, v.conf)
	if err != nil || pid == 0 {
		return cmp.Or(err, fmt.Errorf("keepalived: %w", os.ErrProcessDone))
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		return os.NewSyscallError("kill", err)
	}
	return nil
}

// runningPID is the process of a file that holds its number; 0 when there is none, or
// when the number is another process's by now.
func runningPID(name, conf string) (int, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil || pid <= 1 {
		return 0, nil //nolint:nilerr // half written: it is just coming up
	}
	line, err := os.ReadFile(procPath(pid, "cmdline")) // empty of one that has ended and is not waited for
	if err != nil || !bytes.Contains(line, []byte(conf)) {
		return 0, nil //nolint:nilerr // it has ended
	}
	return pid, nil
}

// command is how it is started.
func (k keepalived) command(path string, more ...string) []string {
	return slices.Concat([]string{path}, more, k.arguments, []string{"--use-file=" + k.conf, "--pid=" + k.pid})
}

func (k keepalived) Start(ctx context.Context) error {
	path, err := program(keepalivedName)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, keepalivedPatience)
	defer cancel()
	if systemdHere() {
		err = k.startUnit(ctx, path)
	} else {
		command := k.command(path)
		err = run(ctx, telling, command[0], command[1:]...)
	}
	if err != nil {
		return err
	}
	return until(ctx, "keepalived does not come up: its log tells why (journalctl -t Keepalived, or /var/log/syslog)", func() (bool, error) {
		for _, name := range []string{k.pid, k.child} {
			if pid, err := runningPID(name, k.conf); pid == 0 || err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// startUnit has systemd run it, and anew when it fails. The unit is gone when it is
// stopped, and when the machine is. Director's unit stops before it.
func (k keepalived) startUnit(ctx context.Context, path string) error {
	args := append([]string{
		"--quiet", "--collect", "--unit=" + k.unit, "--description=" + k.description,
		"--property=Before=lvsdr-director.service", "--property=Restart=on-failure", "--property=RestartSec=1s", "--setenv=TMPDIR=" + keepalivedFolder, "--",
	}, k.command(path, "--dont-fork")...)
	for {
		err := run(ctx, nil, "systemd-run", args...)
		if err == nil || !strings.Contains(err.Error(), "already") {
			return err
		}
		if k.comesAgain(ctx) {
			return run(ctx, nil, "systemctl", "restart", k.unit)
		}
		// The one that was just stopped is not forgotten yet.
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (k keepalived) Stop(ctx context.Context) error {
	pid, err := runningPID(k.pid, k.conf)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, keepalivedPatience)
	defer cancel()
	switch {
	case pid != 0:
		err = k.stop(ctx, pid)
	case k.comesAgain(ctx):
		err = run(ctx, nil, "systemctl", "stop", k.unit)
	}
	if err != nil {
		return err
	}
	for _, name := range []string{k.pid, k.child} {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (k keepalived) stop(ctx context.Context, pid int) error {
	groups, _ := os.ReadFile(procPath(pid, "cgroup"))
	if bytes.Contains(groups, []byte("/"+k.unit)) {
		return run(ctx, nil, "systemctl", "stop", k.unit)
	}
	child, err := runningPID(k.child, k.conf)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return os.NewSyscallError("kill", err)
	}
	return until(ctx, fmt.Sprintf("keepalived (pid %d) does not end", pid), func() (bool, error) {
		return !lives(pid) && (child == 0 || !lives(child)), nil
	})
}

// lives tells whether a process runs: one that has ended and is not waited for has no
// command line.
func lives(pid int) bool {
	line, err := os.ReadFile(procPath(pid, "cmdline"))
	return err == nil && len(line) > 0
}

// until waits for something to be so. What says what is not, when the time is over.
func until(ctx context.Context, what string, is func() (bool, error)) error {
	for {
		if done, err := is(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// run runs a program to its end, as with has made it where that is not nil, and says what
// it said when it fails.
func run(ctx context.Context, with func(*exec.Cmd), name string, args ...string) error {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	if with != nil {
		with(cmd)
	}
	cmd.Stderr = &said
	cmd.WaitDelay = time.Second // a daemon that it leaves behind keeps no pipe
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	if text := strings.TrimSpace(said.String()); err != nil && text != "" {
		return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, text)
	} else if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return nil
}

// systemdHere tells whether systemd is what runs this machine, and this network
// namespace is its own: only a socket's own namespace lists it. In another one it would
// start what looks after another table. Also root without the right to look at process 1,
// as in a unit with few capabilities, can tell so.
func systemdHere() bool {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return false
	}
	sockets, err := os.ReadFile("/proc/thread-self/net/unix")
	if err != nil || !bytes.Contains(sockets, []byte(" /run/systemd/private\n")) {
		return false
	}
	_, err = exec.LookPath("systemd-run")
	return err == nil
}
