//go:build linux

package lab_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// newLab makes a lab that ends with the test.
func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	lab.Need(t, lab.Netns)
	l, err := lab.New(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func serve(t *testing.T, hosts ...*lab.Host) {
	t.Helper()
	for _, h := range hosts {
		if _, err := h.ServeHTTP(":80"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.ServeUDP(":53"); err != nil {
			t.Fatal(err)
		}
	}
}

// One lab serves all of these: in User-Mode Linux making one takes a second.
func TestHosts(t *testing.T) {
	l := newLab(t)
	for _, tt := range []struct {
		name string
		test func(*testing.T, *lab.Lab)
	}{
		{"reach each other", hostsReachEachOther},
		{"have their own files", hostsHaveTheirOwn},
		{"have their own sysctls", hostsHaveTheirSysctls},
		{"tell of a failed program", runTellsOfFailure},
		{"can be more", addRefuses},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, l) })
	}
}

func hostsReachEachOther(t *testing.T, l *lab.Lab) {
	serve(t, l.Hosts()...)
	for _, h := range l.Hosts() {
		for _, a := range []netip.Prefix{h.IPv4, h.IPv6} {
			if !a.IsValid() {
				continue
			}
			got, err := l.Client.Get(context.Background(), "http://"+netip.AddrPortFrom(a.Addr(), 80).String()+"/")
			if err != nil || got != h.Name {
				t.Errorf("GET from %s at %s = %q, %v", h.Name, a, got, err)
			}
			if got := ask(t, l.Client, netip.AddrPortFrom(a.Addr(), 53)); got != h.Name {
				t.Errorf("UDP from %s at %s = %q", h.Name, a, got)
			}
		}
	}
}

// ask sends a datagram and returns the answer.
func ask(t *testing.T, from *lab.Host, to netip.AddrPort) string {
	t.Helper()
	c, err := from.Dial(context.Background(), "udp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	answer := make([]byte, 100)
	if _, err := c.Write([]byte("who")); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer[:n])
}

func hostsHaveTheirOwn(t *testing.T, l *lab.Lab) {
	machine, err := os.ReadDir("/etc")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"/etc", "/var/lib", "/run"} {
		name := filepath.Join(folder, "lvsdr-lab-test")
		err := l.Director.Do(func() error { return os.WriteFile(name, []byte("x"), 0o644) })
		if err != nil {
			t.Fatal(err)
		}
		if out, err := l.Director.Run(context.Background(), "cat", name); err != nil || out != "x" {
			t.Errorf("a program finds %q, %v in %s", out, err, name)
		}
		err = l.Client.Do(func() error { _, err := os.Stat(name); return err })
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("another host finds %s: %v", name, err)
		}
		if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the machine finds %s: %v", name, err)
		}
	}
	if after, err := os.ReadDir("/etc"); err != nil || len(after) != len(machine) {
		t.Errorf("the machine's /etc had %d entries and has %d (%v)", len(machine), len(after), err)
	}
	if out, err := l.Director.Run(context.Background(), "hostname"); err != nil || out != "dev-1\n" {
		t.Errorf("hostname = %q, %v", out, err)
	}
	if out, err := l.Director.Run(context.Background(), "ls", "/sys/class/net"); err != nil || !strings.Contains(out, "eth0") {
		t.Errorf("/sys/class/net has %q, %v", out, err)
	}
}

func hostsHaveTheirSysctls(t *testing.T, l *lab.Lab) {
	const key = "/proc/sys/net/ipv4/ip_forward"
	err := l.Director.Do(func() error { return os.WriteFile(key, []byte("1"), 0o644) })
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host *lab.Host
		want string
	}{{l.Director, "1\n"}, {l.Client, "0\n"}} {
		if got, err := tt.host.Run(context.Background(), "cat", key); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.host.Name, got, err, tt.want)
		}
	}
}

func runTellsOfFailure(t *testing.T, l *lab.Lab) {
	_, err := l.Client.Run(context.Background(), "sh", "-c", "echo no >&2; exit 3")
	var exit *lab.ExitError
	if !errors.As(err, &exit) || exit.Stderr != "no\n" || exit.Host != "client" {
		t.Errorf("error %v", err)
	}
	var osExit *exec.ExitError
	if !errors.As(err, &osExit) || osExit.ExitCode() != 3 {
		t.Errorf("error %v does not hold the exit code", err)
	}
	if _, err := l.Client.Run(context.Background(), "lvsdr-no-such-program"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing program: %v", err)
	}
	if err := l.Client.Do(func() error { return fs.ErrClosed }); err != fs.ErrClosed {
		t.Errorf("Do returned %v", err)
	}
}

func addRefuses(t *testing.T, l *lab.Lab) {
	for _, name := range []string{"dev-1", "", "a-name-too-long-"} {
		if h, err := l.Add(context.Background(), name); err == nil {
			t.Errorf("added %q: %v", name, h)
		}
	}
	h, err := l.Add(context.Background(), "dev-9", netip.MustParsePrefix("10.10.10.39/24"))
	if err != nil {
		t.Fatal(err)
	}
	serve(t, h)
	got, err := l.Client.Get(context.Background(), "http://10.10.10.39/")
	if err != nil || got != "dev-9" {
		t.Errorf("the new host answers %q, %v", got, err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	lab.Need(t, lab.Netns)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	before, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l.Director)
	// A daemon: its parent is gone, so that only the namespace tells whose it is.
	if _, err := l.Director.Run(context.Background(), "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $! > /run/pid"); err != nil {
		t.Fatal(err)
	}
	pid, err := l.Director.Run(context.Background(), "cat", "/run/pid")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("files left: %v, %v", left, err)
	}
	if after, err := net.Interfaces(); err != nil || len(after) != len(before) {
		t.Errorf("interfaces %v, %v; before %v", after, err, before)
	}
	stat := "/proc/" + strings.TrimSpace(pid) + "/ns/net" // gone for a zombie, too
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(stat); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a process is left")
		}
	}
}

func TestCancelledNewLeavesNothing(t *testing.T) {
	lab.Need(t, lab.Netns)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := lab.New(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("New with a cancelled context: %v", err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("files left: %v, %v", left, err)
	}
}
