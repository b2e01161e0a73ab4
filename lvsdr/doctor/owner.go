package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

var tableOwner = &Check{
	Code:  "table-owner",
	Title: "nobody else owns the IPVS table",
	Why:   "Who takes the table for his own removes what he does not know, at once or at the next boot.",
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		problems, err := e.kubeOwners(ctx)
		if err != nil {
			return problems, err
		}
		owners, err := e.tableOwners(ctx)
		if err != nil || len(owners) < 2 {
			return problems, err
		}
		last := owners[len(owners)-1]
		p := warning(last.fix, "%s is set up by %s and by %s", e.vipsText(), owners[0].name, last.name)
		p.Advice = last.advice
		return append(problems, p), nil
	},
}

// kubeOwners tells of Kubernetes proxies in IPVS mode by the interface that each
// makes for its addresses. They remove every service that is not theirs.
func (e *Exam) kubeOwners(ctx context.Context) (problems []Problem, err error) {
	running, err := e.Processes(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range [][2]string{{"kube-ipvs0", "kube-proxy"}, {"kube-dummy-if", "kube-router"}} {
		link, proxy := k[0], k[1]
		_, ok, err := e.Link(ctx, link)
		if err != nil {
			return problems, err
		}
		if !ok {
			continue
		}
		now := "not running now"
		if slices.Contains(running, proxy) {
			now = "running"
		}
		p := warning("", "interface %s is here: %s (%s) in IPVS mode removes services that are not its own", link, proxy, now)
		p.Advice = "Make the director a host outside of Kubernetes' nodes, or have kube-proxy leave the VIP alone " +
			"(ipvs.excludeCIDRs). If the proxy is gone for good: ip link del " + link
		problems = append(problems, p)
	}
	return problems, nil
}

// A tableOwnerFound is somebody who puts the VIP's services into the table.
type tableOwnerFound struct{ name, fix, advice string }

// tableOwners returns who sets up the VIP's services on this host: lvsdr, keepalived,
// and the unit of ipvsadm that restores the table at boot.
func (e *Exam) tableOwners(ctx context.Context) (all []tableOwnerFound, err error) {
	ours, err := e.WasSetUp()
	if err != nil {
		return nil, err
	}
	if ours {
		all = append(all, tableOwnerFound{name: "lvsdr"})
	}
	running, err := e.Processes(ctx)
	if err != nil {
		return nil, err
	}
	configured, err := keepalivedServes(e.Host.Files, e.Config.VIPs())
	if err != nil {
		return nil, err
	}
	if configured && slices.Contains(running, "keepalived") {
		all = append(all, tableOwnerFound{name: "keepalived (virtual_server in " + boot.KeepalivedConf + ")",
			advice: "Take virtual_server out of keepalived's configuration, which may go on to move the VIP, " +
				"or leave the table to keepalived: lvsdr teardown director."})
	}
	restored, err := ipvsadmRestores(e.Host.Files, e.Config.VIPs())
	return append(all, restored...), err
}

func (e *Exam) vipsText() string {
	var texts []string
	for _, vip := range e.Config.VIPs() {
		texts = append(texts, vip.String())
	}
	return strings.Join(texts, ", ")
}

// keepalivedServes tells whether keepalived's configuration has a virtual server of
// one of the VIPs (keepalived.conf(5)).
func keepalivedServes(files host.Files, vips []netip.Addr) (bool, error) {
	lines, err := boot.KeepalivedLines(files, boot.KeepalivedConf)
	if err != nil {
		return false, err
	}
	inGroup := false
	for _, line := range lines {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "virtual_server" && len(words) > 1 && isAny(words[1], vips):
			return true, nil
		case words[0] == "virtual_server_group":
			inGroup = true
		case words[0] == "}":
			inGroup = false
		case inGroup && isAny(words[0], vips):
			return true, nil
		}
	}
	return false, nil
}

// isAny tells whether the text is one of the addresses.
func isAny(text string, addrs []netip.Addr) bool {
	addr, err := netip.ParseAddr(text)
	return err == nil && slices.Contains(addrs, addr)
}

// ipvsadmRestores tells of the distributions' unit ipvsadm.service when it is in
// use and its file has one of the VIPs: Debian's looks at AUTO, Fedora's is enabled
// or not.
func ipvsadmRestores(files host.Files, vips []netip.Addr) ([]tableOwnerFound, error) {
	found := func(rules, fix string) ([]tableOwnerFound, error) {
		lines, err := boot.ReadLines(files, rules)
		has := slices.ContainsFunc(lines, func(line string) bool {
			return slices.ContainsFunc(strings.Fields(line), func(word string) bool {
				at, err := netip.ParseAddrPort(word)
				return err == nil && slices.Contains(vips, at.Addr())
			})
		})
		if err != nil || !has {
			return nil, err
		}
		return []tableOwnerFound{{name: fmt.Sprintf("ipvsadm.service (%s)", rules), fix: fix}}, nil
	}
	defaults, err := boot.ReadLines(files, "/etc/default/ipvsadm")
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(defaults, func(line string) bool { return strings.Trim(line, `"' `) == `AUTO="true` || line == "AUTO=true" }) {
		return found("/etc/ipvsadm.rules", `sed -i 's/^AUTO=.*/AUTO="false"/' /etc/default/ipvsadm`)
	}
	_, err = files.Readlink("/etc/systemd/system/multi-user.target.wants/ipvsadm.service")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return found("/etc/sysconfig/ipvsadm", "systemctl disable ipvsadm.service")
}
