package doctor_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// slowWire is a LAN on which the first packets to an address stay without an answer.
type slowWire struct {
	host.Wire
	mu     sync.Mutex
	silent map[netip.AddrPort]int // how many packets to it are lost
}

func (s *slowWire) Knock(ctx context.Context, link string, knocks []probe.Knock, wait time.Duration) ([]probe.Reply, error) {
	replies, err := s.Wire.Knock(ctx, link, knocks, wait)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, k := range knocks {
		if i < len(replies) && s.silent[k.To] > 0 {
			s.silent[k.To]--
			replies[i] = probe.Reply{Outcome: probe.Silent}
		}
	}
	return replies, err
}

// A real server that is alive, and answers for the VIP when it is asked once more, is
// no fault; one that stays silent is.
func TestSlowRealServer(t *testing.T) {
	vip := netip.MustParseAddrPort("10.10.10.22:80")
	for _, test := range []struct {
		lost int
		want doctor.Severity
	}{{1, doctor.OK}, {2, doctor.OK}, {4, doctor.Failure}} {
		h := *lvsdrtest.Director(carrying + lvsdrtest.HealthyLAN()).Host()
		h.Wire = &slowWire{Wire: h.Wire, silent: map[netip.AddrPort]int{vip: test.lost}}
		e := wireRole(t, cluster.DirectorRole, "").Exam(&h)
		e.Only = []string{"dr-path"}
		got := doctor.OK
		for _, f := range e.Run(t.Context()) {
			if f.Check == "dr-path" && f.Severity != doctor.OK {
				got = f.Severity
			}
		}
		if got != test.want {
			t.Errorf("%d packets lost: %s, want %s", test.lost, got, test.want)
		}
	}
}

// What went round before the fault was mended still waits for a minute, and is no fault
// where the real server answers now.
func TestPacketLoopIsOver(t *testing.T) {
	const waits = carrying + "ipvsadm -A -t 10.10.10.22:80 -s wrr\nipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1\n" +
		"ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.32:80 -g -w 1\nstat -t 10.10.10.22:80 -r 10.10.10.31:80 conns=4 inpkts=328\n"
	role := wireRole(t, cluster.DirectorRole, "services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}]")
	for passive, want := range map[bool]doctor.Severity{false: doctor.OK, true: doctor.Failure} {
		w := lvsdrtest.Director("modprobe ip_vs_wrr\n" + waits + conns(2, "SYN_RECV", "10.10.10.100", "10.10.10.22:80", "10.10.10.31:80", 50) + lvsdrtest.HealthyLAN())
		e := role.Exam(w.Host())
		e.Only, e.Passive = []string{"packet-loop"}, passive
		for _, f := range e.Run(t.Context()) {
			if f.Check == "packet-loop" && f.Severity != want {
				t.Errorf("passive %v: %s %s, want %s", passive, f.Severity, f.What, want)
			}
		}
	}
}
