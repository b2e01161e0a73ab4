package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var packetLoop = &Check{
	Code:  "packet-loop",
	Title: "no real server sends packets round to the director",
	Why: "A real server that forwards, and does not have the VIP or balances it itself, sends each packet back to the director, " +
		"which sends it there again until its TTL ends.",
	Needs: []*Check{ipvsThere, drPath}, // which sees the same, and what becomes of it, without traffic
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		flows, err := e.flows(ctx)
		if err != nil {
			return nil, err
		}
		seen, asked := e.seen.survey.had() // by dr-path, unless nobody is asked
		return e.eachOurs(ctx, func(s servedService) []Problem {
			var problems []Problem
			for _, d := range s.live.Destinations {
				t := flows[flowOf(s.live, d)]
				each := packetsEach(d.Stats.Values())
				if t == nil || t.stuck == 0 || t.stuck < t.others || each < loopedPackets || asked && seen.serves(s.live.ID, d.Addr) {
					continue
				}
				p := problem("", "%s: %s gets %d packets for each connection, and they wait in SYN_RECV: the packets go round",
					s.live.ID, ends([]ipvs.Destination{d}), each)
				p.On, p.Advice = d.Addr, "On the real server: lvsdr doctor realserver. It lacks the VIP and forwards "+
					"(net.ipv4.ip_forward), or it has the same virtual service in an IPVS table of its own."
				problems = append(problems, p)
			}
			return problems
		})
	},
}

// loopedPackets is how many packets a connection that is never answered does not
// get but from a loop: a client sends its SYN seven times at the most (tcp(7),
// tcp_syn_retries), and a loop makes TTL/2 of each, both hosts taking one off it:
// 32 of the usual 64.
const loopedPackets = 16

// packetsEach is the packets for each new connection: those of the last seconds
// while there are new connections, for an old loop's figure is not to be hidden by
// what was well before it; else those of all time.
func packetsEach(s ipvs.Stats) uint64 {
	if s.ConnectionRate > 0 {
		return s.InPacketRate / s.ConnectionRate
	}
	return s.InPackets / max(s.Connections, 1)
}

var synReceived = &Check{
	Code:  "syn-recv",
	Title: "clients do not wait for an answer",
	Why:   "The director sees that a client repeats its SYN: its packets do not reach the real server, or the answers do not reach it.",
	Needs: []*Check{ipvsThere, drPath, packetLoop}, // what a probe sees, it says better
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		flows, err := e.flows(ctx)
		if err != nil {
			return nil, err
		}
		return e.eachOurs(ctx, func(s servedService) []Problem {
			var problems []Problem
			for i, d := range s.live.Destinations {
				if s.live.Protocol == cluster.TCP && unanswered(s.live, i, flows) {
					problems = append(problems, unansweredBy(s, d, flows[flowOf(s.live, d)]))
				}
			}
			if len(problems) == 0 && s.live.Protocol == cluster.TCP {
				problems = allWait(s, flows)
			}
			return problems
		})
	},
}

// fewWaiting is how many clients must wait for a real server before it counts: more
// than what one "lvsdr doctor client" leaves behind.
const fewWaiting = 12

// unanswered tells whether so many clients wait for a service's real server that it
// is its own fault: 12 more than 3 times as many as for the others, to each its
// share, where the others would have 12 if it came to all alike, and have had
// connections.
//
// A client that waits longer than a second (see stuckConnection) is rare where
// all is well, whatever the load: one that went away, or that only knocks; a RST
// does not end SYN_RECV (tcp_states in net/netfilter/ipvs/ip_vs_proto_tcp.c). A flood
// of SYNs from invented addresses comes to all real servers alike: of two, that the
// one has 12 and the other none by chance is one in 4096; 27 and five is one in
// 15,000; of more real servers, less.
//
// Where the scheduler or persistence ties a client to a real server, one client's
// trouble is on that real server alone; there it takes several clients. Where all
// clients go to one real server there is nothing to compare with.
func unanswered(v *ipvs.Entry, i int, flows map[flow]*tally) bool {
	t, own := flows[flowOf(v, v.Destinations[i])], shareOf(v, v.Destinations[i])
	if t == nil || own == 0 || slices.Contains([]string{"dh", "lblc", "lblcr", "fo", "ovf"}, v.Scheduler) {
		return false
	}
	waiting, share, connections := 0, 0, uint64(0) // the others'
	for j, d := range v.Destinations {
		if j == i || shareOf(v, d) == 0 {
			continue
		}
		share, connections = share+shareOf(v, d), connections+d.Stats.Values().Connections
		if o := flows[flowOf(v, d)]; o != nil {
			waiting += o.stuck
		}
	}
	expected := t.stuck * share / own
	tied := v.Flags&ipvs.Persistent != 0 || v.Scheduler == "sh" || v.Scheduler == "mh"
	return expected >= fewWaiting && t.stuck*share >= fewWaiting*share+3*waiting*own &&
		connections >= uint64(expected)/2 && (!tied || len(t.clients) >= manyClients)
}

// share is the real server's part of the connections, of all parts together.
func shareOf(v *ipvs.Entry, d ipvs.Destination) int {
	if d.Weight > 0 && (v.Scheduler == "rr" || v.Scheduler == "lc") {
		return 1
	}
	return int(max(d.Weight, 0))
}

func unansweredBy(s servedService, d ipvs.Destination, t *tally) Problem {
	vip := s.want.Addr
	client := t.clients[0]
	p := problem("", "%s: %d connections to %s wait in SYN_RECV, hardly any to the other real servers; clients: %s",
		s.live.ID, t.stuck, ends([]ipvs.Destination{d}), clientsText(t.clients))
	p.On = d.Addr
	p.Advice = fmt.Sprintf("On the real server: lvsdr doctor realserver --client %s; see that its answer has a way back: "+
		"ip route get %s from %s", client, client, vip)
	return p
}

func clientsText(clients []netip.Addr) string {
	var texts []string
	for _, c := range clients {
		texts = append(texts, c.String())
	}
	if len(clients) == manyClients {
		texts = append(texts, "…")
	}
	return strings.Join(texts, ", ")
}

var orphanConnections = &Check{
	Code:  "orphan-connections",
	Title: "no connection is left to a real server that was taken out",
	Why:   "The packets of such a connection vanish until the client gives up, or for ever when it goes on sending (UDP).",
	Step:  step.Sysctls,
	Needs: []*Check{ipvsThere},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		value, err := e.Host.Sysctl.Get("net/ipv4/vs/expire_nodest_conn")
		if errors.Is(err, fs.ErrNotExist) || err == nil && value != "0" {
			return nil, nil // the client is reset and connects anew
		}
		if err != nil {
			return nil, err
		}
		flows, err := e.flows(ctx)
		if err != nil {
			return nil, err
		}
		return e.eachOurs(ctx, func(s servedService) []Problem {
			var problems []Problem
			for _, f := range orphans(s.live, flows) {
				problems = append(problems, problem("sysctl -w net.ipv4.vs.expire_nodest_conn=1",
					"%s: %d connections are to %s, which is no longer one of its real servers: their packets vanish "+
						"(net.ipv4.vs.expire_nodest_conn is 0)", s.live.ID, flows[f].open, f.server))
			}
			return problems
		})
	},
}

// orphans are the service's flows to real servers that it does not have, sorted.
func orphans(v *ipvs.Entry, flows map[flow]*tally) (all []flow) {
	known := map[flow]bool{}
	for _, d := range v.Destinations {
		known[flowOf(v, d)] = true
	}
	here := flowOf(v, ipvs.Destination{})
	for f, t := range flows {
		if f.protocol == here.protocol && f.virtual == here.virtual && !known[f] && t.open > 0 {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b flow) int { return a.server.Compare(b.server) })
	return all
}
