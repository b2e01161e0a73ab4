package lab

import (
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// OwnNetns puts the calling test into a network namespace of its own, whose thread
// is never given back, and runs lines of ip(8) in it. In it, "cable A B" makes two
// ends of a cable, both up. The test is skipped, or fails, as [Need] says where
// there is no leave to make namespaces.
func OwnNetns(t TB, lines ...string) {
	t.Helper()
	Need(t, Netns)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(fmt.Sprintf("network namespace: %v", err))
	}
	var batch []string // one process: they are dear in a guest
	for _, line := range lines {
		words := strings.Fields(line)
		if words[0] != "cable" {
			batch = append(batch, line)
			continue
		}
		batch = append(batch, "link add "+words[1]+" type veth peer name "+words[2])
		for _, end := range words[1:] {
			// No link-local address, whose DAD would end some time.
			batch = append(batch, "link set "+end+" addrgenmode none", "link set "+end+" up")
		}
	}
	if len(batch) > 0 {
		IP(t, batch...)
		waitForCarriers(t)
	}
}

// IP runs lines of ip(8) in the calling thread's namespace and returns what they
// print. The test is skipped where the kernel lacks the kind of interface.
func IP(t TB, lines ...string) string {
	t.Helper()
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n"))
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "Unknown device type") {
		t.Skip(fmt.Sprintf("this kernel has no such interfaces: %s: %s", strings.Join(lines, "; "), out))
	}
	if err != nil {
		t.Fatal(fmt.Sprintf("ip %s: %v: %s", strings.Join(lines, "; "), err, out))
	}
	return string(out)
}

// waitForCarriers waits until no link lacks its carrier, which the kernel tells of
// a little later.
func waitForCarriers(t TB) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		links, err := netlink.LinkList()
		waiting := slices.ContainsFunc(links, func(l netlink.Link) bool {
			return l.Attrs().OperState == netlink.OperLowerLayerDown
		})
		switch {
		case err == nil && !waiting:
			return
		case time.Now().After(deadline):
			t.Fatal("a link has no carrier after 10 s: ", err)
		}
	}
}
