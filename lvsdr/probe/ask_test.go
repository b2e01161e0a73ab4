package probe

import (
	"net"
	"net/netip"
	"testing"
)

var (
	testDIP   = netip.MustParseAddr("10.10.10.30")
	testRIP   = netip.MustParseAddr("10.10.10.31")
	testDIP6  = netip.MustParseAddr("fd00::30")
	serverMAC = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x31}
	otherMAC  = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x99}
)

func TestQuestions(t *testing.T) {
	const head = "ffffffffffff 020000000030 0806  0001 0800 06 04 0001  020000000030 "
	tests := []struct {
		name string
		q    Question
		want string
	}{
		{"ARP", Question{Target: testRIP, Source: testDIP}, head + "0a0a0a1e  000000000000 0a0a0a1f"},
		{"ARP probe", Question{Target: testRIP}, head + "00000000  000000000000 0a0a0a1f"},
		{"solicitation", Question{Target: testV6, Source: testDIP6},
			`3333ff000022 020000000030 86dd 60000000 0020 3a ff fd000000000000000000000000000030 ff0200000000000000000001ff000022
			87 00 7cf9 00000000 fd000000000000000000000000000022 01 01 020000000030`},
		{"detection", Question{Target: testV6},
			`3333ff000022 020000000030 86dd 60000000 0018 3a ff 00000000000000000000000000000000 ff0200000000000000000001ff000022
			87 00 7d63 00000000 fd000000000000000000000000000022`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			frames, err := newAsking([]Question{test.q}).frames(testMAC)
			if err != nil || len(frames) != 1 {
				t.Fatalf("%d frames, %v", len(frames), err)
			}
			equal(t, frames[0], test.want)
		})
	}
	for _, q := range []Question{{}, {Target: testRIP, Source: testDIP6}, {Target: testV6, Source: testDIP}} {
		if _, err := newAsking([]Question{q}).frames(testMAC); err == nil {
			t.Errorf("%v: no error", q)
		}
	}
}

// Each form of a question takes the answers to it, each MAC address once.
func TestAnswers(t *testing.T) {
	a := newAsking([]Question{{Target: testRIP, Source: testDIP}, {Target: testRIP}, {Target: testV6}})
	reply := func(mac net.HardwareAddr, goal netip.Addr) []byte {
		return arp{
			op: ARPReply, sender: mac, senderIP: testRIP, target: testMAC, goalIP: goal, from: mac, destination: testMAC,
		}.frame()
	}
	if a.wait() != never {
		t.Errorf("waits %v with three questions open", a.wait())
	}
	a.take(reply(serverMAC, testDIP))
	a.take(reply(serverMAC, testDIP))
	a.take(reply(otherMAC, testDIP))
	a.take(reply(serverMAC, netip.IPv4Unspecified()))
	question, _ := arpQuestion(otherMAC, testDIP, testRIP)
	a.take(question)
	a.take(reply(otherMAC, testVIP)) // to somebody else
	advertisement, err := Advertisement(serverMAC, testV6)
	if err != nil {
		t.Fatal(err)
	}
	a.take(advertisement)
	for i, want := range []int{2, 1, 1} {
		if len(a.answers[i]) != want {
			t.Errorf("question %d: %v, want %d", i, a.answers[i], want)
		}
	}
	if a.wait() != grace {
		t.Errorf("waits %v after all answers", a.wait())
	}
	if again, _ := a.frames(testMAC); len(again) != 0 {
		t.Errorf("%d questions asked again", len(again))
	}
}

func TestHearing(t *testing.T) {
	h := newHearing([]netip.Addr{testVIP, testV6})
	question, _ := arpQuestion(serverMAC, testDIP, testVIP)
	gratuitous, _ := GratuitousARP(ARPRequest, otherMAC, testVIP)
	theProbe, _ := arpQuestion(otherMAC, testVIP, netip.Addr{})
	advertisement, _ := Advertisement(otherMAC, testV6)
	from6, _ := solicitation(serverMAC, testDIP6, testV6)
	detection, _ := solicitation(serverMAC, testV6, netip.Addr{})
	for _, frame := range [][]byte{question, question, gratuitous, theProbe, advertisement, from6, detection} {
		h.take(frame)
	}
	want := []Claim{
		{testVIP, serverMAC, testDIP, 0}, {testVIP, otherMAC, testVIP, 0},
		{testV6, otherMAC, testV6, 0}, {testV6, serverMAC, testDIP6, 0},
	}
	if len(h.claims) != len(want) {
		t.Fatalf("claims %v, want %v", h.claims, want)
	}
	for i, c := range h.claims {
		if c.Addr != want[i].Addr || c.MAC.String() != want[i].MAC.String() || c.Target != want[i].Target {
			t.Errorf("claim %v, want %v", c, want[i])
		}
	}
}
