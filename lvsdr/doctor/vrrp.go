package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/firewall"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// vrrp is VRRP's IP protocol number.
const vrrp = uint8(host.VRRPProtocol)

var vrrpRuns = &Check{
	Code:  "vrrp",
	Title: "lvsdr's keepalived moves the VIPs between the directors",
	Why:   "While it does not run, this director takes the VIPs from none that fails, and gives none away.",
	Step:  step.VIP,
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if !e.movesVIPs() {
			return skip("the VIPs are moved by nobody of lvsdr's"), nil
		}
		here, err := e.WasSetUp()
		if err != nil {
			return nil, err
		}
		if e.Stage == BeforeSetUp || !here {
			return skip("set-up starts it"), nil
		}
		state, err := step.VRRPState(ctx, e.Host)
		if err != nil || state != "" && state != step.VRRPStopped {
			return nil, err
		}
		return []Problem{problem(e.SetUpCommand(), "lvsdr's keepalived for VRRP does not run here: this director takes over from none, and what VIPs it has stay when another takes them")}, nil
	},
}

var firewallVRRP = &Check{
	Code:  "firewall-vrrp",
	Title: "the packet filter lets the directors' advertisements through",
	Why:   "A director that does not hear the master becomes master itself: both have the VIP.",
	Step:  step.Ports,
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		instances, err := e.vrrpInstances(ctx)
		if err != nil {
			return nil, err
		}
		if len(instances) == 0 {
			return nil, nil
		}
		rules, err := e.Rules(ctx)
		if err != nil {
			return nil, err
		}
		var problems []Problem
		var told []filter.Rule
		for _, i := range instances {
			for _, advert := range advertisements(i) {
				v := passes(rules, advert)
				if !v.Drops() || slices.Contains(told, *v.Rule) {
					continue
				}
				told = append(told, *v.Rule)
				problems = append(problems, e.dropsAdvert(ctx, i, advert, *v.Rule))
			}
		}
		return problems, nil
	},
}

// vrrpInstances are those of keepalived's usual configuration and of lvsdr's own.
func (e *Exam) vrrpInstances(ctx context.Context) ([]keepalived.Instance, error) {
	var all []keepalived.Instance
	c, err := e.keepalivedConfig(ctx)
	if err != nil {
		return nil, err
	}
	if c != nil {
		all = c.Instances()
	}
	text, err := e.Host.Files.ReadFile(host.VRRPConf)
	if !e.movesVIPs() || errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	own, err := keepalived.Parse(host.VRRPConf, text, keepalived.Options{})
	return append(all, own.Instances()...), err
}

// advertisements are those that a vrrp_instance hears and sends: of all directors to
// its group, or of each peer.
func advertisements(i keepalived.Instance) []filter.Packet {
	group := host.VRRPGroup4
	if i.IPv6 {
		group = host.VRRPGroup6
	}
	heard := filter.Packet{Hook: filter.Prerouting, In: i.Interface, Dst: group, Protocol: vrrp, State: filter.New}
	sent := filter.Packet{Hook: filter.Output, Out: i.Interface, Src: i.Source, Dst: group, Protocol: vrrp, State: filter.New}
	if len(i.Peers) == 0 {
		return []filter.Packet{heard, sent}
	}
	var all []filter.Packet
	for _, p := range i.Peers {
		heard.Src, heard.Dst, sent.Dst = p, i.Source, p
		if i.Source.IsValid() {
			heard.Local = []netip.Addr{i.Source}
		}
		all = append(all, heard, sent)
	}
	return all
}

// passes sends an advertisement through the two hooks on its way.
func passes(rules *filter.Ruleset, p filter.Packet) filter.Verdict {
	v := rules.Trace(p)
	if v.Drops() {
		return v
	}
	next := v.Packet
	next.Hook = map[filter.Hook]filter.Hook{filter.Prerouting: filter.Input, filter.Output: filter.Postrouting}[p.Hook]
	return then(v, rules.Trace(next))
}

// dropsAdvert tells of the rule that drops an advertisement. Set-up opens the filters for
// those of lvsdr's own.
func (e *Exam) dropsAdvert(ctx context.Context, i keepalived.Instance, p filter.Packet, r filter.Rule) Problem {
	whose := "that other directors send"
	switch {
	case p.Hook == filter.Output:
		whose = "that this director sends"
	case p.Src.IsValid():
		whose = "of " + p.Src.String()
	}
	fix, advice := admitVRRP(r)
	if i.File == host.VRRPConf && e.portsMend(ctx, r, false) {
		fix, advice = e.SetUpCommand(), ""
	}
	out := problem(fix, "%q drops the VRRP advertisements %s (%s)", r, whose, i.Place())
	out.Advice = advice
	return out
}

// admitVRRP is the command that lets VRRP by a rule, in the words of who loads it.
func admitVRRP(r filter.Rule) (fix, advice string) {
	switch keeper := firewall.KeeperOf(r); {
	case keeper == "firewalld":
		return "", "firewalld has loaded the rule: in the zone of this interface, firewall-cmd --permanent --add-protocol=vrrp and firewall-cmd --add-protocol=vrrp"
	case keeper != "":
		return "", keeper + " has loaded the rule: write \"-A ufw-before-input -p 112 -j ACCEPT\" into /etc/ufw/before.rules before its COMMIT, then ufw reload"
	case r.Owned:
		return "", "only the program that made the table " + r.Family + " " + r.Table + " can change it: have it admit IP protocol 112"
	}
	return letThrough(r, packetMatch{nft: "meta l4proto 112", iptables: "-p 112"}),
		"It lasts until the rules are loaded anew: put it into what loads them."
}
