package doctor

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// wait is the time for an answer.
func (e *Exam) wait() time.Duration {
	if e.Stage == BeforeSetUp {
		return surveyTime / 2
	}
	return surveyTime
}

// lookAt asks one LAN: who has the VIPs, who claims them, and the real servers.
func (e *Exam) lookAt(ctx context.Context, s *survey, link string) error {
	var vips []*vipSeen
	for _, v := range s.vips {
		if v.err == nil && v.link.Name == link {
			vips = append(vips, v)
		}
	}
	var servers []*serverSeen
	for _, r := range s.servers {
		if r.near() && r.link.Name == link {
			servers = append(servers, r)
		}
	}
	hearing, stop := context.WithCancel(ctx)
	defer stop()
	return together(
		func() error {
			if err := e.hearVIPs(hearing, link, vips); !errors.Is(err, context.Canceled) {
				return err
			}
			return ctx.Err()
		},
		func() error {
			defer stop()
			return together(
				func() error { return e.askVIPs(ctx, link, vips) },
				func() error { return e.meetServers(ctx, s, link, servers) },
			)
		},
	)
}

// meetServers finds the real servers on one LAN, knocks at them, and then asks for
// them as the kernel does. Not earlier: an ordinary question tells a real server this
// host's MAC address; one that does not know it yet has to ask for it when it answers
// a knock, and a wrong arp_announce shows. Those that are silent hold nobody up.
func (e *Exam) meetServers(ctx context.Context, s *survey, link string, servers []*serverSeen) error {
	if err := e.probeServers(ctx, link, servers, e.wait()/2); err != nil {
		return err
	}
	silent := slices.DeleteFunc(slices.Clone(servers), func(r *serverSeen) bool { return r.mac != nil })
	found := slices.DeleteFunc(slices.Clone(servers), func(r *serverSeen) bool { return r.mac == nil })
	return together(
		func() error {
			if err := e.knock(ctx, s.pathsTo(found)); err != nil {
				return err
			}
			return e.askServers(ctx, link, servers)
		},
		func() error {
			if err := e.seekServers(ctx, link, silent); err != nil {
				return err
			}
			return e.knock(ctx, s.pathsTo(silent))
		},
	)
}

// askVIPs asks for the VIPs by a probe and, where this host has an address to ask
// from, ordinarily. It hears everybody out.
func (e *Exam) askVIPs(ctx context.Context, link string, vips []*vipSeen) error {
	var questions []probe.Question
	var into []*[]probe.Answer
	for _, v := range vips {
		if hearsProbes(v.link) {
			questions, into = append(questions, probe.Question{Target: v.addr, All: true}), append(into, &v.probed)
		}
		if v.source.IsValid() {
			questions, into = append(questions, probe.Question{Target: v.addr, Source: v.source, All: true}), append(into, &v.asked)
		}
	}
	err := e.ask(ctx, link, questions, into, e.wait())
	for _, v := range vips {
		if !hearsProbes(v.link) {
			v.probed = v.asked
		}
	}
	return err
}

// hearsProbes tells whether answers to a probe come in by the interface. Those of ARP
// go to 0.0.0.0, and an ipvlan, which shares its MAC address with others, gets what is
// for its own IP addresses (ipvlan_addr_lookup in drivers/net/ipvlan/ipvlan_core.c). There
// an ordinary question stands in for the probe: a proxy looks like any other host, and
// a real server that knows this host by it asks no question with a wrong arp_announce.
func hearsProbes(l host.Link) bool { return l.Kind != "ipvlan" }

// ask puts the answers to each question into its place, without those of this
// host's own other interfaces.
func (e *Exam) ask(ctx context.Context, link string, questions []probe.Question, into []*[]probe.Answer, wait time.Duration) error {
	if len(questions) == 0 {
		return nil
	}
	links, err := e.Links(ctx)
	if err != nil {
		return err
	}
	answers, err := e.Host.Wire.Ask(ctx, link, questions, wait)
	if err != nil {
		return err
	}
	for i, a := range answers {
		*into[i] = slices.DeleteFunc(a, func(a probe.Answer) bool { return ofThisHost(links, a.MAC) })
	}
	return nil
}

func ofThisHost(links []host.Link, mac net.HardwareAddr) bool {
	return slices.ContainsFunc(links, func(l host.Link) bool { return bytes.Equal(l.MAC, mac) })
}

// hearVIPs listens to who claims a VIP until the context is cancelled, since what is
// put on the wire meanwhile makes a real server talk.
func (e *Exam) hearVIPs(ctx context.Context, link string, vips []*vipSeen) error {
	if len(vips) == 0 || e.Stage == BeforeSetUp {
		return nil
	}
	links, err := e.Links(ctx)
	if err != nil {
		return err
	}
	addrs := make([]netip.Addr, len(vips))
	for i, v := range vips {
		addrs[i] = v.addr
	}
	claims, err := e.Host.Wire.Claims(ctx, link, addrs, 10*surveyTime)
	for _, c := range claims {
		if i := slices.Index(addrs, c.Addr); i >= 0 && !ofThisHost(links, c.MAC) {
			vips[i].claims = append(vips[i].claims, c)
		}
	}
	return err
}

// probeServers finds the real servers' MAC addresses by ARP probes, which leave no
// trace in their neighbour tables.
func (e *Exam) probeServers(ctx context.Context, link string, servers []*serverSeen, wait time.Duration) error {
	err := e.ask(ctx, link, probesOf(servers), placesOf(servers), wait)
	for _, r := range servers {
		r.found(r.probed)
	}
	return err
}

// seekServers tries what else there is for those that are silent: an ordinary
// question, and a ping to everybody's MAC address, as arp_ignore=8 answers no ARP.
func (e *Exam) seekServers(ctx context.Context, link string, silent []*serverSeen) error {
	ordinary := make([][]probe.Answer, len(silent))
	var questions []probe.Question
	var places []*[]probe.Answer
	for i, r := range silent {
		questions, places = append(questions, r.question()), append(places, &ordinary[i])
	}
	err := together(
		func() error { return e.probeServers(ctx, link, silent, e.wait()/2) },
		func() error { return e.ask(ctx, link, questions, places, e.wait()/2) },
		func() error { return e.pingServers(ctx, link, silent) },
	)
	for i, r := range silent {
		r.found(ordinary[i])
		if r.mac == nil {
			r.mac = r.pinged
		}
	}
	return err
}

func probesOf(servers []*serverSeen) (questions []probe.Question) {
	for _, r := range servers {
		q := probe.Question{Target: r.rip}
		if !hearsProbes(r.link) {
			q = r.question()
		}
		questions = append(questions, q)
	}
	return questions
}

func placesOf(servers []*serverSeen) (places []*[]probe.Answer) {
	for _, r := range servers {
		places = append(places, &r.probed)
	}
	return places
}

// found takes the first answer's MAC address, unless there is one.
func (s *serverSeen) found(answers []probe.Answer) {
	if len(answers) > 0 && s.mac == nil {
		s.mac = answers[0].MAC
	}
}

// question is as the kernel asks, from this host's own address or, where it has
// none, from what it would take.
func (s *serverSeen) question() probe.Question {
	if s.source.IsValid() {
		return probe.Question{Target: s.rip, Source: s.source}
	}
	return probe.Question{Target: s.rip, Source: s.route.Source}
}

func (e *Exam) pingServers(ctx context.Context, link string, servers []*serverSeen) error {
	var pings []probe.Knock
	var pinged []*serverSeen
	for _, r := range servers {
		if r.source.IsValid() {
			pinged = append(pinged, r)
			pings = append(pings, probe.Knock{
				Kind: probe.Echo, To: netip.AddrPortFrom(r.rip, 0), From: r.source, MAC: probe.Broadcast,
			})
		}
	}
	if len(pings) == 0 {
		return nil
	}
	replies, err := e.Host.Wire.Knock(ctx, link, pings, e.wait()/2)
	for i, reply := range replies {
		if reply.Outcome == probe.Accepted {
			pinged[i].pinged = reply.MAC
		}
	}
	return err
}

// askServers asks for the real servers as the kernel does, and hears proxies out.
func (e *Exam) askServers(ctx context.Context, link string, servers []*serverSeen) error {
	var questions []probe.Question
	var places []*[]probe.Answer
	for _, r := range servers {
		q := r.question()
		q.All = true
		questions, places = append(questions, q), append(places, &r.asked)
	}
	return e.ask(ctx, link, questions, places, e.wait())
}
