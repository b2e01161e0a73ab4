package ipvs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestParseScript reads method one by hand, and the other spellings of ipvsadm(8).
func TestParseScript(t *testing.T) {
	const byHand = `#!/bin/sh
ipvsadm -C
/sbin/ipvsadm --set 30 5 60                            # TCP, TCP-FIN, UDP
ipvsadm -A -t 10.10.10.22:80 -s wrr -p 20
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1

ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.32:80 -g -w 1
`
	s, err := ParseScript(byHand)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := written(s), "-A -t 10.10.10.22:80 -s wrr -p 20\n-a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1\n"+
		"-a -t 10.10.10.22:80 -r 10.10.10.32:80 -g -w 1\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if want := (Timeouts{30 * time.Second, 5 * time.Second, time.Minute}); s.Timeouts != want {
		t.Errorf("got %v, want %v", s.Timeouts, want)
	}
	if n := s.Lines["real server 10.10.10.32:80 of tcp 10.10.10.22:80"]; n != 7 {
		t.Errorf("the last real server stands on line %d of %v", n, s.Lines)
	}
	for _, tt := range []struct{ text, want string }{
		{"--add-service --udp-service=10.0.0.1:53 --scheduler rr --ops", "-A -u 10.0.0.1:53 -s rr -o\n"},
		{"sudo ipvsadm -A -t 10.0.0.1:80\nipvsadm\nipvsadm -Ln\nsudo /sbin/ipvsadm --list\nipvsadm -S -n >/etc/saved\nipvsadm -Z", "-A -t 10.0.0.1:80 -s wlc\n"},
		{"-At10.0.0.1:80 -p", "-A -t 10.0.0.1:80 -s wlc -p 300\n"},
		{"-A -t [2001:db8::1]:80 -s sh -b sh-port,flag-1 -p 9 -M 64", "-A -t [2001:db8::1]:80 -s sh -p 9 -M 64 -b sh-fallback,sh-port\n"},
		{"-A -t 10.0.0.1 -s mh -p 9 -M 255.255.255.0 --pe sip", "-A -t 10.0.0.1:0 -s mh -p 9 -M 255.255.255.0 --pe sip\n"},
		{"-A -f 7 -6\n-a -f 7 -6 -r 2001:db8::2 -i -w 3 -x 9 -y 4", "-A -f 7 -6 -s wlc\n-a -f 7 -6 -r [2001:db8::2]:0 -i -w 3 -x 9 -y 4\n"},
		{"-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 10.0.0.2 -m\n-e -t 10.0.0.1:80 -r 10.0.0.2 -w 0\n-E -t 10.0.0.1:80 -s lc",
			"-A -t 10.0.0.1:80 -s lc\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 0\n"},
		{"-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 10.0.0.2\n-d -t 10.0.0.1:80 -r 10.0.0.2\n-A -t 10.0.0.3:80\n-D -t 10.0.0.1:80",
			"-A -t 10.0.0.3:80 -s wlc\n"},
	} {
		s, err := ParseScript(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
		} else if got := written(s); got != tt.want {
			t.Errorf("%s: got\n%swant\n%s", tt.text, got, tt.want)
		}
	}
}

// written is the table as "ipvsadm -S -n" writes it.
func written(s Script) string {
	var b strings.Builder
	for _, e := range s.Entries {
		fmt.Fprintln(&b, strings.TrimPrefix(Command{Op: AddService, Service: &e.Service}.Ipvsadm(), "ipvsadm "))
		for _, d := range e.Destinations {
			fmt.Fprintln(&b, strings.TrimPrefix(Command{Op: AddDestination, Service: &e.Service, Destination: &d}.Ipvsadm(), "ipvsadm "))
		}
	}
	return b.String()
}

func TestParseScriptRefuses(t *testing.T) {
	const service = "-A -t 10.0.0.1:80\n"
	for text, want := range map[string]string{
		"-A -t web:http -s wrr":                         "names of hosts and ports",
		"-A -t 10.0.0.1:http":                           "ipvsadm -S -n",
		service + "-a -t 10.0.0.1:80 -r web:http":       `2: "-a -t 10.0.0.1:80 -r web:http"`,
		"echo hello":                                    "a command of ipvsadm is wanted",
		"-L -n\n":                                       "the option -L",
		"sudo\n":                                        "a command of ipvsadm is wanted",
		"sudo echo":                                     "a command of ipvsadm is wanted",
		"ipvsadm --start-daemon master":                 "write sync: into the description",
		"-A":                                            "one service is wanted",
		"-A -t 10.0.0.1:80 -u 10.0.0.1:80":              "one service is wanted",
		"-A -D -t 10.0.0.1:80":                          "one command a line",
		"-t 10.0.0.1:80":                                "there is no command",
		"-A -t":                                         "wants a value",
		"-A -t 10.0.0.1:80 -s rr -s rr":                 "twice",
		"-A -t 10.0.0.1:80 left":                        "does not fit in",
		service + service:                               `2: "-A -t 10.0.0.1:80": the service was added before`,
		"-a -t 10.0.0.1:80 -r 10.0.0.2":                 "no such service before",
		service + "-a -t 10.0.0.1:80":                   "the real server is missing",
		service + "-e -t 10.0.0.1:80 -r 10.0.0.2":       "no such real server before",
		"-A -t 10.0.0.1:80 -p 0":                        "leave -p out",
		"-A -t 10.0.0.1:80 -p 9999999":                  "no number from 0",
		"-A -t 10.0.0.1:80 -p 9 -M 255.0.255.0":         "ones and then zeros",
		"-A -t 10.0.0.1:80 -M 255.0.0.0":                "need persistence",
		"-A -t 10.0.0.1:80 -b what":                     "flag is not known",
		"-A -f 0":                                       "firewall mark from 1",
		"--set 1 2":                                     "three numbers",
		"-A -t fe80::1%eth0":                            "is no address",
		service + "-a -t 10.0.0.1:80 -r 10.0.0.2 -w -1": "no number from 0",
	} {
		_, err := ParseScript(text)
		var e *ScriptError
		if !errors.As(err, &e) || e.Line < 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// TestScriptIsTheInverse: what Command.Ipvsadm writes is read as the same table.
func TestScriptIsTheInverse(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		want := randomTable(r)
		text := written(Script{Entries: want})
		s, err := ParseScript(text)
		if err != nil {
			t.Fatalf("%s%v", text, err)
		}
		if !reflect.DeepEqual(s.Entries, want) {
			t.Fatalf("written as\n%sread as\n%+v\nwant\n%+v", text, s.Entries, want)
		}
	}
}

func randomTable(r *rand.Rand) []Entry {
	var all []Entry
	for i := range 1 + r.IntN(4) {
		vip := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		if r.IntN(3) == 0 {
			vip = netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)})
		}
		id := ID{Addr: vip, Port: uint16(r.IntN(3)), Protocol: []Protocol{TCP, UDP, SCTP}[r.IntN(3)]}
		if r.IntN(5) == 0 {
			id = ID{FWMark: uint32(i + 1), Addr: netip.IPv4Unspecified()}
			if vip.Is6() {
				id.Addr = netip.IPv6Unspecified()
			}
		}
		e := Entry{Service: Service{ID: id, Scheduler: schedulers[r.IntN(len(schedulers))], Netmask: vip.BitLen()}}
		e.Flags = Flags(r.IntN(8)) << 3
		if r.IntN(2) == 0 {
			e.Flags |= Persistent
			e.Persistence = time.Duration(1+r.IntN(maxSeconds)) * time.Second
			e.Netmask = 1 + r.IntN(vip.BitLen())
		}
		if r.IntN(4) == 0 {
			e.Flags |= OnePacket
		}
		for j := range r.IntN(4) {
			e.Destinations = append(e.Destinations, Destination{
				Addr: vip.Next(), Port: uint16(j), Forwarding: []Forwarding{Masquerade, Tunnel, DirectRoute}[r.IntN(3)],
				Weight: int32(r.IntN(70000)), UpperThreshold: r.Uint32N(3), LowerThreshold: r.Uint32() * r.Uint32N(2),
			})
		}
		all = append(all, e)
	}
	return all
}

func FuzzParseScript(f *testing.F) {
	f.Add("-A -t 10.10.10.22:80 -s wrr -p 20 -M 255.255.255.0 -b flag-1\n-a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1 -x 3\n")
	f.Add("ipvsadm --set 1 2 3\nipvsadm -A -f 7 -6\n-a -f 7 -6 -r [::1]:0 -i")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseScript(text)
		if err != nil {
			return
		}
		again, err := ParseScript(written(s))
		if err != nil || !reflect.DeepEqual(again.Entries, s.Entries) {
			t.Errorf("%q: read as %+v, again as %+v, %v", text, s.Entries, again.Entries, err)
		}
	})
}
