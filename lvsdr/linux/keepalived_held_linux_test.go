package linux

import (
	"net/netip"
	"os"
	"reflect"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// What keepalived 2.2.7 writes of itself, shortened.
func TestHeldIn(t *testing.T) {
	const text = `------< LVS Topology >------
 System is compiled with LVS v1.2.1
 ------< Virtual server >------
 VS VIP = 10.10.10.22, VPORT = 80
   Address family = inet
   lvs_sched = wrr
   protocol = TCP
   alive = 1
   quorum_state_up = 1
   ------< Real server >------
   RIP = 10.10.10.31, RPORT = 80, WEIGHT = 1 EFF WEIGHT = 1
   alive = 1
   RS set = 1
   ------< Real server >------
   RIP = 10.10.10.32, RPORT = 80, WEIGHT = 1 EFF WEIGHT = 1
   alive = 0
   RS set = 0
 ------< Virtual server >------
 VS VIP = fd00:10::22, VPORT = 53
   protocol = UDP
   ------< Real server >------
   RIP = fd00:10::31, RPORT = 53, WEIGHT = 0 EFF WEIGHT = 0
   RS set = 1
------< Health checkers >------
 [10.10.10.22]:tcp:80 -> [10.10.10.32]:tcp:80
   RS set = 1
`
	want := []host.HeldServer{
		{Service: ipvs.ID{Addr: netip.MustParseAddr("10.10.10.22"), Port: 80, Protocol: ipvs.TCP}, Server: netip.MustParseAddrPort("10.10.10.31:80")},
		{Service: ipvs.ID{Addr: netip.MustParseAddr("fd00:10::22"), Port: 53, Protocol: ipvs.UDP}, Server: netip.MustParseAddrPort("[fd00:10::31]:53")},
	}
	if got := heldIn(text); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// What keepalived 2.2.7 of Debian 12 and 2.3.3 of Debian 13 wrote of the same
// configuration on a kernel with IPVS. With the first, nobody listened on port 80 yet. A
// real server that inhibit_on_failure keeps in the table is held, and inhibited.
func TestHeldOfVersions(t *testing.T) {
	id := func(vip string, port uint16, p ipvs.Protocol) ipvs.ID {
		return ipvs.ID{Addr: netip.MustParseAddr(vip), Port: port, Protocol: p}
	}
	web := host.HeldServer{Service: id("10.10.10.22", 80, ipvs.TCP), Server: netip.MustParseAddrPort("10.10.10.31:80")}
	name := func(server string, inhibited bool) host.HeldServer {
		return host.HeldServer{Service: id("10.10.10.22", 53, ipvs.UDP), Server: netip.MustParseAddrPort(server), Inhibited: inhibited}
	}
	for version, want := range map[string][]host.HeldServer{
		"2.2.7": {name("10.10.10.31:53", true), name("10.10.10.32:53", true)},
		"2.3.3": {web, name("10.10.10.31:53", false), name("10.10.10.32:53", true)},
	} {
		text, err := os.ReadFile("testdata/keepalived-" + version + ".data")
		if err != nil {
			t.Fatal(err)
		}
		if got := heldIn(string(text)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %v\nwant %v", version, got, want)
		}
	}
}
