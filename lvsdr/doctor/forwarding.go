package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var directForwarding = &Check{
	Code:  "forwarding",
	Title: "every real server is forwarded to by direct routing",
	Why: "Masquerading needs the director as the real server's gateway, tunnelling a tunnel there: " +
		"on a host made for direct routing the replies are not what the client waits for, or none come.",
	Step:  step.Service,
	Needs: []*Check{ipvsThere},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		ours, err := e.WasSetUp()
		if err != nil {
			return nil, err
		}
		return e.eachOurs(ctx, func(s servedService) []Problem {
			wrong := s.wrong(func(d ipvs.Destination) bool {
				return d.Forwarding == ipvs.Masquerade || d.Forwarding == ipvs.Tunnel
			})
			if len(wrong) == 0 {
				return nil
			}
			fix := directly(s.live, wrong)
			p := problem(fix, "%s: %s is forwarded to by %s, not by direct routing",
				s.live.ID, ends(wrong), map[ipvs.Forwarding]string{ipvs.Masquerade: "masquerading (-m)", ipvs.Tunnel: "tunnelling (-i)"}[wrong[0].Forwarding])
			p.Advice = afterMasquerading
			if !ours { // it may be meant so, and served
				p.Fix, p.Advice = "", fmt.Sprintf("If the real server is made for that, leave it so: by direct routing it would not be served without the VIP. "+
					"If it is to be direct routing: %s. ", fix)+afterMasquerading
			}
			return []Problem{p}
		})
	},
}

// afterMasquerading: a destination has one cached route for all its connections, and
// that of masquerading has no next hop but the packet's destination, which under
// direct routing is the VIP (__ip_vs_get_out_rt and IP_VS_RT_MODE_KNOWN_NH in
// net/netfilter/ipvs/ip_vs_xmit.c). Editing the destination drops it, but the next
// packet of an old connection brings it back, unless one of direct routing came first: a
// client in SYN_SENT sends such packets for two minutes (tcp_syn_retries of tcp(7)).
const afterMasquerading = "Connections begun before go on the old way until their clients give up, two minutes at most, and a packet of theirs may have the kernel " +
	"remember a route that new ones get lost on: while new ones hang and ip neigh has the VIP INCOMPLETE or FAILED, run: ip route flush cache"

// wrong picks the real servers of the configuration's that the table has wrong.
// Others in the same service are for whoever put them there.
func (s servedService) wrong(is func(ipvs.Destination) bool) (wrong []ipvs.Destination) {
	for _, d := range s.live.Destinations {
		if is(d) && destinationOf(&s.want, d.Addr) != nil {
			wrong = append(wrong, d)
		}
	}
	return wrong
}

// directly is the commands that make the forwarding direct routing: in place, but
// from another port than the service's, of which direct routing knows nothing.
func directly(v *ipvs.Entry, wrong []ipvs.Destination) string {
	var commands []string
	add := func(op ipvs.Op, d ipvs.Destination) {
		commands = append(commands, ipvs.Command{Op: op, Service: &v.Service, Destination: &d}.Ipvsadm())
	}
	for _, d := range wrong {
		direct := d
		direct.Forwarding, direct.Port = ipvs.DirectRoute, v.Port
		if d.Port == v.Port {
			add(ipvs.SetDestination, direct)
			continue
		}
		if !slices.ContainsFunc(v.Destinations, func(x ipvs.Destination) bool { return x.Addr == d.Addr && x.Port == v.Port }) {
			add(ipvs.AddDestination, direct)
		}
		add(ipvs.RemoveDestination, d)
	}
	return strings.Join(commands, " && ")
}

var portMapping = &Check{
	Code:  "port-mapping",
	Title: "no real server is on another port than its virtual service",
	Why:   "Direct routing does not touch the packet: it arrives for the service's port, whatever port the table says.",
	Step:  step.Service,
	Needs: []*Check{ipvsThere},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		return e.eachOurs(ctx, func(s servedService) []Problem {
			if s.live.Port == 0 || s.live.FWMark != 0 {
				return nil
			}
			wrong := s.wrong(func(d ipvs.Destination) bool {
				return d.Forwarding == ipvs.DirectRoute && d.Port != s.live.Port
			})
			if len(wrong) == 0 {
				return nil
			}
			p := problem(e.SetUpCommand(), "%s: %s is on another port, which direct routing cannot change: the packets arrive for port %d",
				s.live.ID, ends(wrong), s.live.Port)
			p.Advice = "Have the server listen on the service's port, or redirect it there on the real server (iptables -j REDIRECT)."
			return []Problem{p}
		})
	},
}
