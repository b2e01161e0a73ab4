//go:build linux

package fleet

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A keeper is the first process of a process-ID namespace in which everything of a
// fleet runs, in network and mount namespaces of its own. It ends when its standard
// input does, which is when this program has ended, and takes everything with it. The
// sweeper beside it, outside, then removes the control groups, which the kernel keeps.
type keeper struct {
	keeper, sweeper *exec.Cmd
	life            *os.File // what both read; nobody else holds it
	groups          string   // the folder of the machines' control groups, inside
}

// sweep makes a folder of control groups ($1), in a mount of the unified hierarchy
// that nobody else sees, and removes it when the fleet is over.
const sweep = `set -e
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$1"
echo ready
read -r _ || :
echo 1 >"/sys/fs/cgroup/$1/cgroup.kill" || :
for try in $(seq 100); do
	find "/sys/fs/cgroup/$1" -depth -type d -exec rmdir {} + 2>/dev/null || :
	[ -e "/sys/fs/cgroup/$1" ] || exit 0
	sleep 0.1
done
exit 1`

// keep makes the LAN and waits. /run is a memory of its own: it holds the machines'
// files and hides the machine's.
const keep = `set -e
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 fleet /run
mkdir /run/netns /run/fleet
ip link set lo up
ip link add lan type bridge forward_delay 0
ip link set lan up
echo ready
read -r _ || :`

func newKeeper(ctx context.Context) (*keeper, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	k := &keeper{life: write, groups: fmt.Sprintf("lvsdr-fleet-%d-%d", os.Getpid(), time.Now().UnixNano())}
	// A session of its own: an interrupt from the terminal is not for the sweeper.
	k.sweeper, err = start(read, syscall.CLONE_NEWNS, sweep, k.groups)
	if err == nil {
		k.keeper, err = start(read, syscall.CLONE_NEWNS|syscall.CLONE_NEWNET|syscall.CLONE_NEWPID|syscall.CLONE_NEWIPC|syscall.CLONE_NEWUTS, keep)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

// start runs a script in namespaces of its own and waits until it says that it is
// ready.
func start(life *os.File, namespaces uintptr, script string, args ...string) (*exec.Cmd, error) {
	// Mounts are made private first: what is mounted here must not appear outside.
	cmd := exec.Command("sh", append([]string{"-c", "mount --make-rprivate / && " + script, "sh"}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+sbin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Setsid: true}
	cmd.Stdin = life
	out, ready, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = ready, &said
	err = cmd.Start()
	ready.Close()
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line == "ready\n" {
		return cmd, nil
	}
	return nil, errors.Join(err, cmd.Wait(), errors.New(strings.TrimSpace(said.String())))
}

const sbin = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// close ends both and everything inside. What was started inside ends before it
// returns.
func (k *keeper) close() error {
	k.life.Close()
	var errs []error
	for _, cmd := range []*exec.Cmd{k.keeper, k.sweeper} {
		if cmd == nil {
			continue
		}
		if err := cmd.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("fleet: what keeps it together: %w", err))
		}
	}
	return errors.Join(errs...)
}

// path is the name from outside of a file inside.
func (k *keeper) path(name ...string) string {
	return filepath.Join(append([]string{fmt.Sprintf("/proc/%d/root", k.keeper.Process.Pid)}, name...)...)
}

// command is a program to run inside.
func (k *keeper) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return enter(ctx, k.keeper.Process.Pid, []string{"-m", "-n", "-p", "-i", "-u"}, append([]string{name}, args...)...)
}

// enter is a command in namespaces of a process. When the context ends it is killed
// together with what it started.
func enter(ctx context.Context, pid int, which []string, words ...string) *exec.Cmd {
	args := append([]string{"-t", strconv.Itoa(pid)}, which...)
	args = append(args, "--", "env", "-i", "PATH="+sbin, "HOME=/root", "TERM=dumb", "LANG=C.UTF-8")
	cmd := exec.CommandContext(ctx, "nsenter", append(args, words...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run runs a program inside that must succeed.
func (k *keeper) run(ctx context.Context, name string, args ...string) (string, error) {
	return output(k.command(ctx, name, args...))
}

// output runs a command; what it said on stderr is in its error.
func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		words := cmd.Args
		for i, w := range words {
			if w == "LANG=C.UTF-8" {
				words = words[i+1:]
				break
			}
		}
		return stdout.String(), &ExitError{Args: words, Output: stdout.String() + stderr.String(), Err: err}
	}
	return stdout.String(), nil
}

// An ExitError is a command that failed.
type ExitError struct {
	Machine string // empty: not on a machine
	Args    []string
	Output  string // of both streams
	Err     error  // an *exec.ExitError where it ran
}

func (e *ExitError) Error() string {
	s := fmt.Sprintf("%s: %v", strings.Join(e.Args, " "), e.Err)
	if e.Machine != "" {
		s = "on " + e.Machine + ": " + s
	}
	if e.Output != "" {
		s += ":\n" + strings.TrimSpace(e.Output)
	}
	return s
}

func (e *ExitError) Unwrap() error { return e.Err }

var _ io.Writer = (*console)(nil)
