package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// ofWire is what speaks against the cluster on a host of it, as "severity code: what",
// with the fix and the advice after " | ".
func ofWire(t *testing.T, role, text string, w *lvsdrtest.World, only ...string) (all []string) {
	t.Helper()
	e := wireRole(t, role, text).Exam(w.Host())
	e.Only = only
	for _, f := range e.Run(t.Context()) {
		if f.Severity != doctor.OK && f.Severity != doctor.Skipped {
			all = append(all, strings.Join([]string{string(f.Severity) + " " + f.Check + ": " + f.What, f.Fix, f.Advice}, " | "))
		}
	}
	return all
}

// begin tells whether each line begins as wanted.
func begin(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("seen\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

const itsOwn = `services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.30}, {address: 10.10.10.31}, {address: 10.10.10.32}]}]`

// localNode has the director serve a third of the connections itself.
const localNode = `lan answer 02:00:00:00:00:30 10.10.10.30:80 accepted
lan answer 02:00:00:00:00:30 10.10.10.22:80 accepted from 02:00:00:00:00:30,02:00:00:00:00:31,02:00:00:00:00:32
`

// A director that is its own real server is no stranger, and its service stays.
func TestDirectorIsItsOwnRealServer(t *testing.T) {
	codes := []string{"vip-claim", "real-server", "dr-path", "replies"}
	client := func(more string) *lvsdrtest.World { return lvsdrtest.Client(lvsdrtest.HealthyLAN() + localNode + more) }
	begin(t, ofWire(t, cluster.ClientRole, itsOwn, client(""), codes...))

	got := ofWire(t, cluster.ClientRole, itsOwn, client("lan answer 02:00:00:00:00:30 10.10.10.22:80 expired"), codes...)
	begin(t, got, "failure vip-claim: the real server 10.10.10.30 (02:00:00:00:00:30) answers ARP for the VIP 10.10.10.22, and no other host does",
		"failure dr-path: 10.10.10.30 has the VIP but sends round until its TTL is over what is for 10.10.10.22:80: it balances the service itself")
	if strings.Contains(got[1], "| ipvsadm") {
		t.Errorf("a fix takes the service of the one who may be the director: %s", got[1])
	}

	table := `modprobe ip_vs_rr
ipvsadm -A -t 10.10.10.22:80 -s rr
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.30:80 -g
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80 -g
ip addr add 10.10.10.22/32 dev eth0 label eth0:0
`
	begin(t, ofWire(t, cluster.DirectorRole, itsOwn, lvsdrtest.Director(table+"listen tcp 0.0.0.0:80 nginx"), "listener"))
	begin(t, ofWire(t, cluster.DirectorRole, itsOwn, lvsdrtest.Director(table), "listener"), "failure listener: nobody listens on port 80/tcp")
	drained := table + "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.30:80 -g -w 0"
	begin(t, ofWire(t, cluster.DirectorRole, itsOwn, lvsdrtest.Director(drained), "listener"))
	begin(t, ofWire(t, cluster.DirectorRole, "", lvsdrtest.Director(), "listener"))

	config, err := cluster.ParseConfig("cluster.yaml", []byte(itsOwn))
	if err != nil {
		t.Fatal(err)
	}
	role, why, err := doctor.Recognise(t.Context(), lvsdrtest.Director(table).Host(), config)
	if role != cluster.DirectorRole || err != nil {
		t.Errorf("recognised as %s: %s, %v", role, why, err)
	}
	got = ofWire(t, cluster.RealServerRole, itsOwn, lvsdrtest.Director(table), "vip-link")
	begin(t, got, "failure vip-link: the VIP 10.10.10.22 is on eth0, and this host balances it: it is a director, and not judged as a real server |  | ")
}

// Who does not know all real servers accuses nobody but who was seen to be wrong.
func TestWhoIsTheDirector(t *testing.T) {
	const nobody, some = `services: [{vip: 10.10.10.22}]`, `services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.32}]}]`
	const answering = "lan add 02:00:00:00:00:31 10.10.10.22\n"
	silent := "lan answer 02:00:00:00:00:30 10.10.10.22:80 silent\n"
	const told = "failure vip-claim: 02:00:00:00:00:31 answers ARP for the VIP 10.10.10.22, which 02:00:00:00:00:30 has"
	tests := []struct{ name, text, commands, want string }{
		{"none known", nobody, answering, told},
		{"some known", some, answering, told},
		{"the real server answers first", nobody, "lan del 02:00:00:00:00:30 10.10.10.22\n" + answering + "lan add 02:00:00:00:00:30 10.10.10.22", told},
		{"nobody balances", nobody, answering + silent,
			"failure vip-claim: 2 hosts answer ARP for the VIP 10.10.10.22: 02:00:00:00:00:30, 02:00:00:00:00:31; which of them is the director is not known here"},
		{"UDP alone", `services: [{vip: 10.10.10.22, ports: [53/udp]}]`, answering, "failure vip-claim: 2 hosts answer"},
		{"the known one", "", answering + silent, "failure vip-claim: the real server 10.10.10.31"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := ofWire(t, cluster.ClientRole, test.text, lvsdrtest.Client(lvsdrtest.HealthyLAN()+test.commands), "vip-claim")
			begin(t, got, test.want)
			if len(got) == 1 && !strings.Contains(got[0], "lvsdr doctor realserver") {
				t.Errorf("a real server is told to give up the VIP: %s", got[0])
			}
		})
	}
	// A real server that takes itself for the director hears the true one.
	w := lvsdrtest.RealServer(lvsdrtest.HealthyLAN() + "ip addr add 10.10.10.22/32 dev lo label lo:0")
	got := ofWire(t, cluster.DirectorRole, some, w, "vip-claim")
	begin(t, got, "failure vip-claim: 02:00:00:00:00:30 answers ARP for the VIP 10.10.10.22, which this director has")
	if !strings.Contains(got[0], "if it is the director, this host is none") {
		t.Error(got[0])
	}
}

// A host that was told the cluster on the command line tells others to be told it too.
func TestAdviceDescribesTheCluster(t *testing.T) {
	e := wireRole(t, cluster.ClientRole, "").Exam(lvsdrtest.Client(lvsdrtest.HealthyLAN() + "lan add 02:00:00:00:00:31 10.10.10.22").Host())
	e.Only, e.Described = []string{"vip-claim"}, []string{"--vip", "10.10.10.22", "--port", "443"}
	const want = `"lvsdr doctor realserver --vip 10.10.10.22 --port 443"`
	if !slices.ContainsFunc(e.Run(t.Context()), func(f doctor.Finding) bool { return strings.Contains(f.Advice, want) }) {
		t.Errorf("no advice has %s", want)
	}
}
