package ipvs_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// schedulerModules are all that the guest's kernel has. A scheduler's module is
// always loaded before a service uses it: see [ipvs.Client.Apply].
var schedulerModules = []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf"}

// loadModules loads what is not loaded: a test of an earlier round may have taken
// IPVS out of the kernel.
func loadModules() error {
	modules := []string{"ip_vs", "ip_vs_pe_sip"}
	for _, s := range schedulerModules {
		modules = append(modules, "ip_vs_"+s)
	}
	missing := slices.DeleteFunc(modules, func(m string) bool {
		_, err := os.Stat("/sys/module/" + m)
		return err == nil
	})
	if len(missing) == 0 {
		return nil
	}
	return run("modprobe", append([]string{"-a"}, missing...)...)
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// needGuest skips, or fails where IPVS is required, outside a guest: IPVS's table
// is not for tests to edit on a machine that somebody uses.
func needGuest(t testing.TB) {
	t.Helper()
	if os.Getenv("LVSDR_TEST_GUEST") == "1" {
		return
	}
	const why = "needs a guest whose kernel has IPVS (LVSDR_TEST_GUEST)"
	if slices.Contains(strings.Split(os.Getenv("LVSDR_TEST_REQUIRE"), ","), "ipvs") {
		t.Fatal(why)
	}
	t.Skip(why)
}

// guest gives the test an empty IPVS table in a network namespace of its own, on
// a thread that ends with the test. Subtests run on other threads.
func guest(t testing.TB) *ipvs.Client {
	t.Helper()
	needGuest(t)
	if err := loadModules(); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	if err := loopbackUp(); err != nil {
		t.Fatal(err)
	}
	c, err := ipvs.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// loopbackUp brings lo up: until it was, IPVS refuses every real server.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// ipvsadm returns what ipvsadm -S -n tells, sorted.
func ipvsadm(t testing.TB) []string {
	t.Helper()
	out, err := exec.Command("ipvsadm", "-S", "-n").CombinedOutput()
	if err != nil {
		t.Fatalf("ipvsadm -S -n: %v: %s", err, out)
	}
	lines := slices.DeleteFunc(strings.Split(string(out), "\n"), func(l string) bool { return l == "" })
	slices.Sort(lines)
	return lines
}

// apply carries out commands that must succeed.
func apply(t testing.TB, c *ipvs.Client, commands ...ipvs.Command) {
	t.Helper()
	if done, err := c.Apply(t.Context(), commands); err != nil || done != len(commands) {
		t.Fatalf("Apply: %d of %d, %v", done, len(commands), err)
	}
}

// table returns the whole table.
func table(t testing.TB, c *ipvs.Client) []ipvs.Entry {
	t.Helper()
	all, err := c.Table(t.Context(), ipvs.Plain)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
