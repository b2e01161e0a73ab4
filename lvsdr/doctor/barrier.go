package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/firewall"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// barriers are the rules that stand in the way, each with all that it stops: one
// rule is one cause.
type barriers struct {
	e     *Exam
	found []*barrier
}

type barrier struct {
	rule     filter.Rule
	severity Severity
	does     string
	openings []host.Opening
	let      []packetMatch
	advice   string // where no opening helps
	byHand   bool   // set-up opens what comes for the VIP, which is not what the rule sees
}

// A packetMatch is what a rule is to let through.
type packetMatch struct {
	nft      string // in nft's words
	iptables string // in iptables' words
}

// inward matches what comes for the opening.
func inward(o host.Opening) packetMatch { return matchOf(o, "daddr", "-d", "dport") }

// arriving matches what comes for the opening as a client wrote it, or, where a rule has
// given the packet another destination before the verdict, with that one: the host may
// send it on, and then the answers pass the same chain.
func arriving(o host.Opening, pkt filter.Packet) []packetMatch {
	if !pkt.Translated || !pkt.Dst.IsValid() {
		return []packetMatch{inward(o)}
	}
	to := host.Opening{VIP: pkt.Dst, Port: pkt.DstPort, Protocol: o.Protocol}
	if o.Port == 0 {
		to.Port = 0
	}
	in := inward(to)
	in.nft, in.iptables = in.nft+" ct status dnat", in.iptables+" -m conntrack --ctstate DNAT"
	if pkt.Hook != filter.Forward {
		return []packetMatch{in}
	}
	return []packetMatch{in, answering(to)}
}

// answering matches the answers of what has the opening, behind this host.
func answering(to host.Opening) packetMatch {
	m := outward(to)
	m.nft, m.iptables = m.nft+" ct state established", m.iptables+" -m conntrack --ctstate ESTABLISHED"
	return m
}

// outward matches what comes from there.
func outward(o host.Opening) packetMatch { return matchOf(o, "saddr", "-s", "sport") }

func matchOf(o host.Opening, addr, option, port string) packetMatch {
	m := packetMatch{
		nft: fmt.Sprintf("%s %s %s", o.Family(), addr, o.VIP), iptables: fmt.Sprintf("%s %s -p %s", option, o.VIP, o.Protocol),
	}
	if o.Port == 0 {
		m.nft += fmt.Sprintf(" meta l4proto %s", o.Protocol)
		return m
	}
	m.nft += fmt.Sprintf(" %s %s %d", o.Protocol, port, o.Port)
	m.iptables += fmt.Sprintf(" --%s %d", port, o.Port)
	return m
}

// judgeOpenings asks about every opening of the configuration: for clients in
// general, and for the one that the exam is about.
func (e *Exam) judgeOpenings(ctx context.Context, ask func(*barriers, *passage, host.Opening)) ([]Problem, error) {
	if e.Stage == BeforeSetUp {
		return skip("set-up opens the ports"), nil
	}
	everybody, client := &barriers{e: e}, &barriers{e: e}
	for _, o := range step.OpeningsOf(e.Config) {
		p, err := e.passage(ctx, o.VIP)
		if err != nil {
			return everybody.problems(ctx), err
		}
		ask(everybody, p, o)
		if e.Client.IsValid() && e.Client.Is4() == o.VIP.Is4() {
			theirs := *p
			theirs.client = e.Client
			ask(client, &theirs, o)
		}
	}
	return append(everybody.problems(ctx), client.bans(everybody)...), nil
}

// bans are the rules that stand in one client's way alone.
func (b *barriers) bans(everybody *barriers) (all []Problem) {
	for _, f := range b.found {
		if slices.ContainsFunc(everybody.found, func(g *barrier) bool { return g.rule == f.rule }) {
			continue
		}
		p := problem("", "%q %s %s from %s", f.rule, f.does, f.to(), b.e.Client)
		p.Advice = "Other clients are let in: admit this one where the rule is made."
		all = append(all, p)
	}
	return all
}

// judge adds the rule that a verdict speaks of, when that is against the packet, and
// tells whether the packet is dropped for certain. A rule that perhaps drops it is a
// warning; one against some senders is none, nor is a program that decides.
func (b *barriers) judge(v filter.Verdict, o host.Opening, what string, let ...packetMatch) bool {
	switch {
	case v.Drops():
		does := "drops"
		if v.Action == filter.Reject {
			does = "rejects"
		}
		b.add(*v.Rule, Failure, o, does+" "+what, let...)
	case v.Action == filter.Unsure && v.Depends == filter.ByMatch:
		b.add(*v.Rule, Warning, o, "drops, under a condition that is not known here, "+what, let...)
	}
	return v.Drops()
}

func (b *barriers) add(r filter.Rule, severity Severity, o host.Opening, does string, let ...packetMatch) *barrier {
	i := slices.IndexFunc(b.found, func(f *barrier) bool { return f.rule == r && f.severity == severity && f.does == does })
	if i < 0 {
		i = len(b.found)
		b.found = append(b.found, &barrier{rule: r, severity: severity, does: does})
	}
	b.found[i].openings = append(b.found[i].openings, o)
	b.found[i].let = append(b.found[i].let, let...)
	b.found[i].byHand = b.found[i].byHand || !o.IsTooBig() && !slices.Contains(let, inward(o)) && !slices.Contains(let, outward(o))
	return b.found[i]
}

func (b *barriers) problems(ctx context.Context) []Problem {
	var all []Problem
	for _, f := range b.found {
		p := Problem{Severity: f.severity, What: fmt.Sprintf("%q %s %s", f.rule, f.does, f.to())}
		if f.advice != "" {
			p.Advice = f.advice
			all = append(all, p)
			continue
		}
		if f.openings[0].Protocol != 0 && !f.byHand && b.e.portsMend(ctx, f.rule, f.openings[0].IsTooBig()) {
			p.Fix = b.e.SetUpCommand()
		} else {
			p.Fix, p.Advice = f.mend()
			if why := b.e.deaf(ctx, firewall.KeeperOf(f.rule)); why != "" {
				p.Fix, p.Advice = "", fmt.Sprintf("%s has loaded the rule: have it admit them. First it has to listen again: %s.", firewall.KeeperOf(f.rule), why)
			}
		}
		all = append(all, p)
	}
	return all
}

// warnings are the problems of what breaks only some of the traffic, where it is
// certain.
func (b *barriers) warnings(ctx context.Context) []Problem {
	b.certain()
	for _, f := range b.found {
		f.severity = Warning
	}
	return b.problems(ctx)
}

// certain forgets the rules that only perhaps stand in the way.
func (b *barriers) certain() {
	b.found = slices.DeleteFunc(b.found, func(f *barrier) bool { return f.severity != Failure })
}

// portsMend tells whether set-up's next openings come before the rule: those of
// services, or those for what routers say. On a host made by hand the latter is no
// reason to set up everything.
func (e *Exam) portsMend(ctx context.Context, r filter.Rule, tooBig bool) bool {
	if here, err := e.WasSetUp(); tooBig && (!here || err != nil) {
		return false
	}
	due, err := e.seen.openings.get(ctx, func() ([]step.Change, error) {
		for _, s := range e.Steps {
			if s.Name() == step.Ports {
				return s.Plan(ctx, e.Host, step.Present)
			}
		}
		return nil, nil
	})
	if err != nil {
		return false // set-up cannot open them: the command by hand
	}
	gate, keeper := firewall.GateOf(r), firewall.KeeperOf(r)
	return slices.ContainsFunc(due, func(c step.Change) bool {
		o, _ := c.Data.(host.Opening)
		return c.Op == step.Add && c.Gate != nil && o.IsTooBig() == tooBig && (*c.Gate == gate || keeper != "" && c.Gate.Firewall == keeper)
	})
}

// deaf tells why a firewall manager cannot be told what to let in, and the way out; empty
// where it can.
func (e *Exam) deaf(ctx context.Context, manager string) string {
	for _, f := range e.Host.Firewalls {
		if f.Name() != manager {
			continue
		}
		gates, err := f.Gates(ctx)
		if err != nil {
			return err.Error()
		}
		for _, g := range gates {
			if g.Refuses != "" {
				return g.Refuses
			}
		}
	}
	return ""
}

// to names what the rule stops: openings, or addresses.
func (f *barrier) to() string {
	if o := f.openings[0]; o.Protocol != 0 && !o.IsTooBig() {
		return host.JoinOpenings(f.openings)
	}
	var texts []string
	for _, o := range f.openings {
		texts = append(texts, o.VIP.String())
	}
	return strings.Join(texts, ", ")
}

// services are what the rule stops, as a configuration has it.
func (f *barrier) services() []cluster.Service {
	var all []cluster.Service
	for _, o := range f.openings {
		all = append(all, cluster.Service{VIP: o.VIP, Ports: []cluster.Port{{Number: o.Port, Protocol: o.Protocol}}})
	}
	return all
}

// mostCommands is how many commands a person still reads.
const mostCommands = 20

// mend is the command that lets the packets through before the rule's chain looks
// at them, or what to do where there is none.
func (f *barrier) mend() (fix, advice string) {
	if keeper := firewall.KeeperOf(f.rule); keeper != "" && f.openings[0].Protocol != 0 && !f.openings[0].IsTooBig() {
		return "", fmt.Sprintf("%s has loaded the rule: have it admit them, with %s.", keeper, cluster.OpenByHand(keeper, f.services()))
	}
	if f.rule.Owned {
		return "", fmt.Sprintf("Only the program that made the table %s %s can change it: have it admit them.", f.rule.Family, f.rule.Table)
	}
	var commands []string
	for _, m := range f.let {
		if c := letThrough(f.rule, m); !slices.Contains(commands, c) {
			commands = append(commands, c)
		}
	}
	if len(commands) > mostCommands {
		return "", fmt.Sprintf("Let the packets through before the rule, %d times the like of: %s", len(commands), commands[0])
	}
	return strings.Join(commands, " && "), "It lasts until the rules are loaded anew: put it into what loads them."
}

// letThrough inserts an accept at the head of the base chain from which a packet
// comes to the rule.
func letThrough(r filter.Rule, m packetMatch) string {
	if r.Tool == filter.ByNftables {
		return fmt.Sprintf("nft insert rule %s %s %s %s accept", r.Family, host.ShellWord(r.Table), host.ShellWord(r.Base), m.nft)
	}
	table := ""
	if r.Table != "filter" {
		table = "-t " + r.Table + " "
	}
	return fmt.Sprintf("%s -w %s-I %s 1 %s -j ACCEPT", r.Tool, table, r.Base, m.iptables)
}
