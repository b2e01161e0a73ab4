//go:build linux

package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Machine has a disk of its own, over the fleet's tree, that outlives its power.
type Machine struct {
	Name    string
	Address netip.Prefix     // of its eth0
	MAC     net.HardwareAddr // of its eth0
	// Modules lets it load modules of the running kernel, as a director must: for a
	// guest, whose kernel is nobody else's. It is said before the machine is on.
	Modules bool

	fleet   *Fleet
	console console

	mu     sync.Mutex
	nspawn *exec.Cmd     // nil: switched off
	ended  chan struct{} // closed when nspawn is
	first  int           // its process 1, as seen from here
}

// A console keeps what a machine says before there is anybody to log in.
type console struct {
	mu   sync.Mutex
	text []byte
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, p...)
	return len(p), nil
}

// Console is what the machine has said on its console, all its boots together.
func (m *Machine) Console() string {
	m.console.mu.Lock()
	defer m.console.mu.Unlock()
	return string(m.console.text)
}

// dir is the machine's folder, inside the keeper.
func (m *Machine) dir() string { return "/run/fleet/" + m.Name }

// Path is the name, for this program, of a file on the machine's disk, switched on or
// off. Links on the way that are absolute lead outside: say the real name.
func (m *Machine) Path(name string) string { return m.fleet.keeper.path(m.dir(), "root", name) }

// make makes the disk.
func (m *Machine) make(ctx context.Context, kind Network) error {
	k, dir := m.fleet.keeper, m.dir()
	_, err := k.run(ctx, "mkdir", "-p", dir+"/up", dir+"/work", dir+"/root")
	if err == nil {
		_, err = k.run(ctx, "mount", "-t", "overlay", "-o",
			fmt.Sprintf("lowerdir=%s,upperdir=%s/up,workdir=%s/work", m.fleet.tree, dir, dir), "overlay", dir+"/root")
	}
	if err != nil {
		return err
	}
	id := make([]byte, 16)
	rand.Read(id)
	for name, text := range map[string]string{
		"/etc/hostname":            m.Name + "\n",
		"/etc/hosts":               "127.0.0.1 localhost\n127.0.1.1 " + m.Name + "\n::1 localhost\n",
		"/etc/machine-id":          fmt.Sprintf("%x\n", id),
		"/var/www/html/index.html": m.Name + "\n",
		// Nothing is to be brought up to date at the first boot (systemd-update-done(8)).
		"/etc/.updated": "",
		"/var/.updated": "",
	} {
		if err := m.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return m.network(ctx, kind)
}

// WriteFile writes a file on the machine's disk, and its folders.
func (m *Machine) WriteFile(name string, data []byte, perm fs.FileMode) error {
	path := m.Path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, data, perm); err != nil {
		return err
	}
	return os.Chmod(path, perm)
}

// Install copies a program of this machine onto the disk.
func (m *Machine) Install(program, name string) error {
	from, err := os.Open(program)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := m.WriteFile(name, nil, 0o755); err != nil {
		return err
	}
	to, err := os.OpenFile(m.Path(name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// Enable has the machine start units at its next boot; it must be switched off.
func (m *Machine) Enable(ctx context.Context, units ...string) error {
	return m.systemctl(ctx, "enable", units)
}

// Disable is the opposite of [Machine.Enable].
func (m *Machine) Disable(ctx context.Context, units ...string) error {
	return m.systemctl(ctx, "disable", units)
}

func (m *Machine) systemctl(ctx context.Context, verb string, units []string) error {
	args := append([]string{m.dir() + "/root", "systemctl", "--quiet", verb}, units...)
	_, err := m.fleet.keeper.run(ctx, "chroot", args...)
	return err
}

// Start switches the machine on and does not wait for the end of its boot, which a job of
// the boot itself may make wait for long: only until commands can be run.
func (m *Machine) Start(ctx context.Context) error {
	if err := m.power(ctx); err != nil {
		return fmt.Errorf("fleet: machine %s: %w", m.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	for {
		if m.leader() != 0 {
			if _, err := m.Run(ctx, "systemctl", "list-jobs"); err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("fleet: machine %s is not up: %w: its console:\n%s", m.Name, ctx.Err(), m.Console())
		case <-m.end():
			return fmt.Errorf("fleet: machine %s went off: its console:\n%s", m.Name, m.Console())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// bootTime bounds the wait for a machine, which takes 2 to 5 s when nothing else runs,
// and in a guest a minute.
const bootTime = 5 * time.Minute

// On switches the machine on and waits until its boot has ended: systemd then is
// "running", or "degraded" when a unit has failed, which is an error.
func (m *Machine) On(ctx context.Context) error {
	if err := m.power(ctx); err != nil {
		return fmt.Errorf("fleet: machine %s: %w", m.Name, err)
	}
	return m.WaitUp(ctx)
}

// power starts systemd in a network namespace made anew, so that nothing of the
// network outlives the power but what is on disk.
func (m *Machine) power(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.nspawn != nil {
		return errors.New("it is on already")
	}
	if err := m.fleet.cable(ctx, m.Name, m.MAC); err != nil {
		return err
	}
	// Each nspawn needs a control group of its own to start from, and /proc/sys/net
	// writable.
	const script = `echo 0 >"$1/cgroup.procs"; shift; exec env SYSTEMD_NSPAWN_API_VFS_WRITABLE=network "$@"`
	group := m.group()
	if _, err := m.fleet.keeper.run(ctx, "mkdir", "-p", group); err != nil {
		return err
	}
	nspawn := []string{"-c", script, "sh", group,
		"systemd-nspawn", "--quiet", "--directory=" + m.dir() + "/root", "--machine=" + m.Name, "--boot",
		"--network-namespace-path=/run/netns/" + m.Name, "--register=no", "--keep-unit",
		"--capability=all", "--console=pipe", "--resolv-conf=off", "--timezone=off", "--link-journal=no"}
	if m.Modules {
		nspawn = append(nspawn, "--bind-ro=/lib/modules", "--system-call-filter=@module")
	}
	cmd := m.fleet.keeper.command(context.Background(), "sh", nspawn...)
	cmd.Stdout, cmd.Stderr = &m.console, &m.console
	if err := cmd.Start(); err != nil {
		return err
	}
	m.nspawn, m.ended, m.first = cmd, make(chan struct{}), 0
	go func(ended chan struct{}) {
		cmd.Wait()
		close(ended)
	}(m.ended)
	return nil
}

// group is the control group that nspawn starts from, inside the keeper.
func (m *Machine) group() string {
	return "/sys/fs/cgroup/" + m.fleet.keeper.groups + "/" + m.Name
}

// WaitUp waits until the boot of a machine that is on has ended.
func (m *Machine) WaitUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	for {
		if m.leader() != 0 {
			state, err := m.Run(ctx, "systemctl", "is-system-running", "--wait")
			switch state := strings.TrimSpace(state); {
			case err == nil:
				return nil
			case state == "degraded":
				failed, _ := m.Run(ctx, "systemctl", "--failed", "--plain", "--no-legend")
				return fmt.Errorf("fleet: machine %s: units failed:\n%s", m.Name, failed)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("fleet: machine %s is not up: %w: its console:\n%s", m.Name, ctx.Err(), m.Console())
		case <-m.end():
			return fmt.Errorf("fleet: machine %s went off: its console:\n%s", m.Name, m.Console())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// end is closed when the machine is off.
func (m *Machine) end() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.nspawn == nil {
		off := make(chan struct{})
		close(off)
		return off
	}
	return m.ended
}

// leader is the machine's process 1, as seen from here; 0: none yet. It is in the
// control group, and its number in its own namespace is 1.
func (m *Machine) leader() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.nspawn == nil || m.first != 0 {
		return m.first
	}
	filepath.WalkDir(m.fleet.keeper.path(m.group()), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "cgroup.procs" {
			return nil
		}
		pids, _ := os.ReadFile(name)
		for _, word := range strings.Fields(string(pids)) {
			if pid, err := strconv.Atoi(word); err == nil && isFirst(pid) {
				m.first = pid
				return fs.SkipAll
			}
		}
		return nil
	})
	return m.first
}

// isFirst tells whether the process is systemd, and process 1 of its namespace.
// (nspawn's own child is too, for a moment before it becomes systemd.)
func isFirst(pid int) bool {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			return strings.HasSuffix(strings.TrimSpace(ids), "\t1") && string(comm) == "systemd\n"
		}
	}
	return false
}

// Off has the machine shut down and waits until it is off.
func (m *Machine) Off(ctx context.Context) error {
	// The answer is lost when systemd is quick.
	m.Run(ctx, "systemctl", "poweroff", "--no-block")
	return m.off(ctx)
}

// PullPlug takes the power away: nothing is told, nothing is stopped. The cable is the
// first to be dead, for the kernel would go on serving from addresses and tables until the
// last process of the machine is gone.
func (m *Machine) PullPlug(ctx context.Context) error {
	if err := m.Unplug(ctx); err != nil {
		return err
	}
	if pid := m.leader(); pid != 0 {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			return fmt.Errorf("fleet: machine %s: %w", m.Name, err)
		}
	}
	return m.off(ctx)
}

// Reboot switches the machine off as [Machine.Off] does, and on again.
func (m *Machine) Reboot(ctx context.Context) error {
	if err := m.Off(ctx); err != nil {
		return err
	}
	return m.On(ctx)
}

func (m *Machine) off(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	select {
	case <-m.end():
	case <-ctx.Done():
		return fmt.Errorf("fleet: machine %s does not go off: %w: its console:\n%s", m.Name, ctx.Err(), m.Console())
	}
	m.gone()
	_, err := m.fleet.keeper.run(ctx, "ip", "netns", "del", m.Name)
	return err
}

func (m *Machine) gone() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nspawn, m.first = nil, 0
}

// Unplug pulls the cable out of the LAN: eth0 loses its carrier.
func (m *Machine) Unplug(ctx context.Context) error { return m.carrier(ctx, "down") }

// Plug puts the cable back.
func (m *Machine) Plug(ctx context.Context) error { return m.carrier(ctx, "up") }

func (m *Machine) carrier(ctx context.Context, state string) error {
	_, err := m.fleet.keeper.run(ctx, "ip", "link", "set", "v-"+m.Name, state)
	return err
}

// Command is a program to run on the machine, which must be on. When the context ends
// it is killed.
func (m *Machine) Command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	pid := m.leader()
	if pid == 0 {
		return nil, fmt.Errorf("fleet: machine %s is off", m.Name)
	}
	return enter(ctx, pid, []string{"-a"}, append([]string{name}, args...)...), nil
}

// Run runs a program on the machine and returns its stdout. An error is an
// [*ExitError] when it ran and failed.
func (m *Machine) Run(ctx context.Context, name string, args ...string) (string, error) {
	cmd, err := m.Command(ctx, name, args...)
	if err != nil {
		return "", err
	}
	out, err := output(cmd)
	var exit *ExitError
	if errors.As(err, &exit) {
		exit.Machine = m.Name
	}
	return out, err
}
