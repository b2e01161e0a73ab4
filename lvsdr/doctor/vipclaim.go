package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

var vipClaim = &Check{
	Code:      "vip-claim",
	Preflight: true,
	Title:     "the director alone answers for the VIP",
	Why:       "Whoever answers ARP for the VIP gets the clients' packets: all of them, or those of the clients that heard it last.",
	Wire:      true,
	Needs:     []*Check{linkUsable},
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		s, err := e.survey(ctx)
		if err != nil {
			return nil, err
		}
		return e.eachVIP(s, func(v *vipSeen) ([]Problem, error) {
			claimants := v.claimants()
			if e.Role == cluster.DirectorRole {
				problems, err := e.claimsOnDirector(ctx, s, v, claimants)
				return v.few(problems), err
			}
			return v.few(claimsOnClient(s, v, claimants)), nil
		})
	},
}

// eachVIP looks at every VIP that can be judged from this host's place on the LAN,
// and tells why the others are not.
func (e *Exam) eachVIP(s *survey, look func(*vipSeen) ([]Problem, error)) ([]Problem, error) {
	var problems, skipped []Problem
	var errs []error
	looked := false
	for _, v := range s.vips {
		if why := e.outOfSight(v); why != nil {
			skipped = append(skipped, why...)
			continue
		}
		found, err := look(v)
		problems, errs, looked = append(problems, found...), append(errs, err), true
	}
	if looked && len(problems) == 0 && len(skipped) > 0 {
		problems = []Problem{{Severity: OK, What: "nothing is wrong with the VIPs that could be looked at from here"}}
	}
	return append(problems, skipped...), errors.Join(errs...)
}

// outOfSight tells why a VIP cannot be judged from here, nothing when it can.
func (e *Exam) outOfSight(v *vipSeen) []Problem {
	switch {
	case e.Role != cluster.DirectorRole && v.mine:
		return []Problem{{
			Severity: Skipped,
			What: fmt.Sprintf("this host has the VIP %s itself: what it sends there never leaves it; examine it as a director or real server, "+
				"and the cluster from another host", v.addr),
		}}
	case errors.Is(v.err, ErrNoLAN):
		return skip("this host is not on the LAN of the VIP %s, where it could be seen who answers for it", v.addr)
	case v.err != nil:
		return skip("%v", v.err)
	case !usable(v.link):
		return skip("%s is down, or does not answer ARP", v.link.Name)
	}
	return nil
}

// A claimant is a MAC address that says to have the VIP, and how.
type claimant struct {
	mac            net.HardwareAddr
	probed, asked  bool       // it answered a probe, and a question
	asks           netip.Addr // it asked for this address as the VIP; invalid: no
	saysUnasked    bool
	onlyByQuestion bool // nothing but such questions
}

// claimants are those who say to have the VIP, each MAC address once, those who
// answer first.
func (v *vipSeen) claimants() []claimant {
	var all []claimant
	of := func(mac net.HardwareAddr) *claimant {
		i := slices.IndexFunc(all, func(c claimant) bool { return bytes.Equal(c.mac, mac) })
		if i < 0 {
			i, all = len(all), append(all, claimant{mac: mac})
		}
		return &all[i]
	}
	for _, a := range v.probed {
		of(a.MAC).probed = true
	}
	for _, a := range v.asked {
		of(a.MAC).asked = true
	}
	for _, c := range v.claims {
		if c.Target == c.Addr {
			of(c.MAC).saysUnasked = true
		} else {
			of(c.MAC).asks = c.Target
		}
	}
	for i, c := range all {
		all[i].onlyByQuestion = !c.probed && !c.asked && !c.saysUnasked
	}
	return all
}

// answers tells whether a host that looks for the VIP is answered by this one.
func (c claimant) answers() bool { return c.probed || c.asked }

// claimsOnDirector: a director's own answers do not come back to it, so every one
// that it hears is a foreign one.
func (e *Exam) claimsOnDirector(ctx context.Context, s *survey, v *vipSeen, claimants []claimant) ([]Problem, error) {
	var problems []Problem
	links, err := e.Links(ctx)
	if err != nil {
		return nil, err
	}
	m, err := e.moverOf(ctx, v.addr)
	if err != nil {
		return nil, err
	}
	told, err := e.toldByVRRP(ctx, v.addr, claimants)
	if err != nil {
		return nil, err
	}
	var masters []claimant // whom a backup hears
	for _, c := range claimants {
		switch {
		case slices.ContainsFunc(links, func(l host.Link) bool { return bytes.Equal(l.MAC, c.mac) }):
			// Another leg of this director on the same LAN: whom it answers comes here.
		case s.whose(c.mac, v.addr) != nil && !v.balances(c.mac):
			problems = append(problems, s.claimOfServer(v, c))
		case told.names(c.mac): // vrrp-master tells, and why
		case v.mine:
			problems = append(problems, e.twoMasters(s.claimOfStranger(v, c, thisDirector), told))
		case m.name == "" && !e.movesVIPs(): // else a backup rightly hears the master
			problems = append(problems, s.claimOfStranger(v, c, ""))
		default:
			masters = append(masters, c)
		}
	}
	if e.movesVIPs() && len(masters) > 1 {
		for _, c := range masters {
			problems = append(problems, e.twoMasters(s.claimOfStranger(v, c, "another director"), told))
		}
	}
	if m.name != "" && !v.mine && len(v.answerers()) == 0 && e.Stage == InService {
		problems = append(problems, nobodyHolds(v, m))
	}
	return problems, nil
}

// twoMasters tells what makes two directors have a VIP that VRRP moves.
func (e *Exam) twoMasters(p Problem, told toldMaster) Problem {
	switch {
	case told.stranger:
		p.Advice = "where it is another director's: vrrp-master tells of another cluster with this one's router ID, by which two directors have the VIP in turn: mend that first. Else " + p.Advice
	case e.movesVIPs():
		p.Advice = "where it is another director's, both are master: neither hears the other. \"lvsdr doctor director\" on both names a rule that drops the advertisements (firewall-vrrp); " +
			"routerId, auth, unicast and interval are to be the same in both files; a switch that drops multicast needs unicast: true. Else " + p.Advice
	}
	return p
}

// nobodyHolds tells that no director holds a VIP that a program moves between them.
func nobodyHolds(v *vipSeen, m mover) Problem {
	return Problem{
		What: fmt.Sprintf("nobody on %s answers for the VIP %s: %s, which runs here, does not hold it, nor does another director", v.link.Name, v.addr, m.name),
		Advice: fmt.Sprintf("see why %s gives it to nobody (journalctl -u %s: a failed check or interface keeps it in FAULT), here and on the other directors",
			m.name, m.unit),
	}
}

// thisDirector is the host examined, as said of who has the VIP.
const thisDirector = "this director"

// claimsOnClient: one host answers, and it is no real server but one that balances. Of
// several others, it is the one that balances; where that cannot be told nobody is
// accused.
func claimsOnClient(s *survey, v *vipSeen, claimants []claimant) []Problem {
	var problems []Problem
	var maybe, others []claimant // directors
	for _, c := range claimants {
		switch {
		case v.balances(c.mac):
			maybe = append(maybe, c)
		case s.whose(c.mac, v.addr) != nil:
			problems = append(problems, s.claimOfServer(v, c))
		default:
			others = append(others, c)
		}
	}
	if len(maybe) != 1 { // several balance, or nobody was seen to
		maybe, others = mayHold(append(maybe, others...))
	}
	holder := ""
	switch {
	case len(maybe) == 1:
		holder = maybe[0].mac.String()
	case len(maybe) > 1:
		problems = append(problems, whichIsUnknown(v, maybe))
	case len(problems) == 0:
		problems = append(problems, Problem{
			What:   fmt.Sprintf("nobody on %s answers for the VIP %s", v.link.Name, v.addr),
			Advice: "run \"lvsdr doctor director\" on the director: the VIP is not on its LAN interface, or it is down",
		})
	}
	for _, c := range others {
		problems = append(problems, s.orItsOwn(v, c, holder))
	}
	return problems
}

// mayHold parts those who answer for the VIP, and may be the director, from others: those
// who only speak of it, and proxies where somebody else answers.
func mayHold(all []claimant) (maybe, others []claimant) {
	someProbed := slices.ContainsFunc(all, func(c claimant) bool { return c.probed })
	for _, c := range all {
		if c.probed || c.asked && !someProbed {
			maybe = append(maybe, c)
		} else {
			others = append(others, c)
		}
	}
	return maybe, others
}

// whichIsUnknown tells of several hosts that answer for the VIP, of which one may be
// the director.
func whichIsUnknown(v *vipSeen, all []claimant) Problem {
	var macs []string
	for _, c := range all[:min(len(all), mostNamed)] {
		macs = append(macs, c.mac.String())
	}
	if len(all) > mostNamed {
		macs = append(macs, fmt.Sprintf("and %d more", len(all)-mostNamed))
	}
	return Problem{
		What: fmt.Sprintf("%d hosts answer %s for the VIP %s: %s; which of them is the director is not known here", len(all), question(v.addr), v.addr, strings.Join(macs, ", ")),
		Advice: "\"ip -br link\" on each host tells its MAC addresses: leave the director as it is; \"lvsdr doctor realserver\" on a real server among them names what is " +
			"to keep it silent; any other machine is to give the VIP up. With every real server named (--real-server) they are told apart here. " +
			"Interfaces of one director answer each for all of its addresses unless arp_ignore=1 is set there",
	}
}

// claimOfServer is a real server that says to have the VIP. It has it; but it must
// not say so.
func (s *survey) claimOfServer(v *vipSeen, c claimant) Problem {
	p := Problem{
		What: fmt.Sprintf("the real server %s %s for the VIP %s", s.name(c.mac, v.addr), c.how(v.addr), v.addr),
		On:   s.whose(c.mac, v.addr).rip,
	}
	if c.onlyByQuestion {
		p.What = fmt.Sprintf("the real server %s asks \"who has %s, tell %s\": all that hear it take it for the VIP", s.name(c.mac, v.addr), c.asks, v.addr)
		if v.addr.Is4() {
			p.Fix = "sysctl -w net.ipv4.conf.all.arp_announce=2"
			return p
		}
	}
	alone := ""
	if macs := v.answerers(); len(macs) == 1 && bytes.Equal(macs[0], c.mac) && !v.mine {
		p.What += ", and no other host does: the director does not, or it is the director"
		alone = "; if it is the director too (\"ipvsadm -Ln\" there), all is well with this"
	}
	p.Advice = fmt.Sprintf("run \"lvsdr doctor realserver\" on it: arp_ignore is to be 1 and the VIP on lo; those who took it for the VIP do so until "+
		"they forget (ip neigh flush to %s) or hear the director (arping -U -c 3 -I %s %s there)", v.addr, host.ShellWord(v.link.Name), v.addr) + alone
	if v.addr.Is6() {
		p.Advice = "run \"lvsdr doctor realserver\" on it: the VIP is to be on lo, where neighbour solicitations for it are not answered" + alone
	}
	return p
}

// claimOfStranger is a host that is no real server known here, beside the one who
// rightly has the VIP.
func (s *survey) claimOfStranger(v *vipSeen, c claimant, holder string) Problem {
	p := Problem{
		What: fmt.Sprintf("%s %s for the VIP %s", c.mac, c.how(v.addr), v.addr),
		Advice: "find the host with this MAC address: a real server that is not named here (--real-server) keeps the VIP and is to be silent about it, " +
			"as \"lvsdr doctor realserver\" there says; a second director or another machine is to give the VIP up",
	}
	if holder == thisDirector {
		p.Advice += "; if it is the director, this host is none: \"lvsdr setup realserver\" for a real server, or give the VIP up here"
	}
	if holder != "" {
		p.What += fmt.Sprintf(", which %s has", holder)
	}
	if c.asked && !c.probed {
		p.What += ", but not to a probe: it is a proxy"
		p.Advice = "find the host with this MAC address and switch proxy_arp off on it, or take its route to the VIP away"
	}
	return p
}

// orItsOwn is claimOfStranger as a client sees it, to whom a director that answers on
// each of its interfaces on the LAN is several hosts.
func (s *survey) orItsOwn(v *vipSeen, c claimant, holder string) Problem {
	p := s.claimOfStranger(v, c, holder)
	if c.probed && v.addr.Is4() && holder != "" {
		p.Advice += "; if it is a further interface of the director, set arp_ignore=1 there, with which each answers for its own addresses alone"
	}
	return p
}

// mostNamed is how many of those who are no real servers are named; a flooded LAN has
// thousands.
const mostNamed = 4

// few keeps what real servers do and some of what others do, and counts the rest.
func (v *vipSeen) few(problems []Problem) []Problem {
	more := v.more()
	others := 0
	problems = slices.DeleteFunc(problems, func(p Problem) bool {
		if !p.On.IsValid() {
			others++
		}
		return !p.On.IsValid() && others > mostNamed
	})
	if more += max(0, others-mostNamed); more == 0 {
		return problems
	}
	return append(problems, Problem{
		What: fmt.Sprintf("and %d more claims to the VIP %s, of further MAC addresses", more, v.addr),
		Advice: "so many are hardly as many machines: find the switch port that they come in by, where one machine forges them or a loop repeats them, " +
			"and close it",
	})
}

// more is how many claims came of MAC addresses that were not kept.
func (v *vipSeen) more() (n int) {
	for _, a := range slices.Concat(v.probed, v.asked) {
		n += a.More
	}
	for _, c := range v.claims {
		n += c.More
	}
	return n
}

// how tells in which way the claimant claims.
func (c claimant) how(vip netip.Addr) string {
	var ways []string
	if c.answers() {
		ways = append(ways, "answers "+question(vip))
	}
	if c.saysUnasked && !c.answers() {
		ways = append(ways, "says by "+question(vip)+" to stand")
	}
	if c.asks.IsValid() {
		ways = append(ways, fmt.Sprintf("asks for %s", c.asks))
	}
	return strings.Join(ways, " and ")
}

// question is what asks for the MAC address of an address.
func question(vip netip.Addr) string {
	if vip.Is6() {
		return "neighbour solicitations"
	}
	return "ARP"
}

// holder is the MAC address of the one who alone answers for the VIP, nil when
// there is none or several.
func (v *vipSeen) holder() net.HardwareAddr {
	var mac net.HardwareAddr
	for _, a := range slices.Concat(v.probed, v.asked) {
		if mac != nil && !bytes.Equal(mac, a.MAC) {
			return nil
		}
		mac = a.MAC
	}
	return mac
}
