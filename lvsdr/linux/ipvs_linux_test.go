package linux

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"golang.org/x/sys/unix"
)

func hasIPVS() bool {
	_, err := os.Stat("/sys/module/ip_vs")
	return err == nil
}

// lacksIPVS checks what is promised of a kernel without IPVS, and that nothing
// was loaded by looking.
func lacksIPVS(t *testing.T, k host.IPVS, command ipvs.Command) {
	t.Helper()
	services, errServices := k.Services(t.Context(), ipvs.Plain)
	servers, errServers := k.Destinations(t.Context(), command.Service.ID, ipvs.Plain)
	timeouts, errTimeouts := k.Timeouts(t.Context())
	if len(services)+len(servers) != 0 || timeouts != (ipvs.Timeouts{}) || errServices != nil || errServers != nil || errTimeouts != nil {
		t.Errorf("reading: %v, %v; %v, %v; %v, %v", services, errServices, servers, errServers, timeouts, errTimeouts)
	}
	if done, err := k.Apply(t.Context(), []ipvs.Command{command}); done != 0 || !errors.Is(err, host.ErrNoIPVS) {
		t.Errorf("Apply: %d, %v", done, err)
	}
	if err := k.SetTimeouts(t.Context(), ipvs.Timeouts{TCP: time.Second}); !errors.Is(err, host.ErrNoIPVS) {
		t.Errorf("SetTimeouts: %v", err)
	}
	if hasIPVS() {
		t.Error("looking at IPVS made the kernel load it")
	}
}

func addMissionService() ipvs.Command {
	return ipvs.Command{Op: ipvs.AddService, Service: &ipvs.Service{Scheduler: "wrr",
		ID: ipvs.ID{Addr: netip.MustParseAddr("10.10.10.22"), Port: 80, Protocol: ipvs.TCP}}}
}

func TestKernelIPVSAbsent(t *testing.T) {
	if hasIPVS() {
		t.Skip("this kernel has IPVS")
	}
	k := &kernelIPVS{}
	lacksIPVS(t, k, addMissionService())
}

// TestKernelIPVS: a host that was looked at before ip_vs is loaded sees it after,
// and keeps to the namespace that it was made in.
func TestKernelIPVS(t *testing.T) {
	if os.Getenv("LVSDR_TEST_GUEST") != "1" {
		const why = "needs a guest whose kernel has IPVS (LVSDR_TEST_GUEST)"
		if slices.Contains(strings.Split(os.Getenv("LVSDR_TEST_REQUIRE"), ","), "ipvs") {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	runtime.LockOSThread() // for ever: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	k := Local().IPVS
	if !hasIPVS() {
		lacksIPVS(t, k, addMissionService())
	}
	if out, err := exec.Command("modprobe", "-a", "ip_vs", "ip_vs_wrr").CombinedOutput(); err != nil {
		t.Fatalf("modprobe: %v: %s", err, out)
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	add := addMissionService()
	if done, err := k.Apply(t.Context(), []ipvs.Command{add, add}); done != 1 || err == nil {
		t.Errorf("the same service twice: %d, %v", done, err)
	}
	if got, err := k.Services(t.Context(), ipvs.Plain); err != nil || len(got) != 1 || got[0].ID != add.Service.ID {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := Local().IPVS.Services(t.Context(), ipvs.Plain); err != nil || len(got) != 0 {
		t.Errorf("another namespace: %v, %v", got, err)
	}
	want := ipvs.Timeouts{TCP: 30 * time.Second, TCPFin: 5 * time.Second, UDP: 60 * time.Second}
	if err := k.SetTimeouts(t.Context(), want); err != nil {
		t.Error(err)
	}
	if got, err := k.Timeouts(t.Context()); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestConnectionsWithoutIPVS(t *testing.T) {
	if hasIPVS() {
		t.Skip("this kernel has IPVS")
	}
	if all, err := (linuxObserver{}).Connections(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("got %v, %v", all, err)
	}
	if hasIPVS() {
		t.Error("looking at connections made the kernel load IPVS")
	}
}
