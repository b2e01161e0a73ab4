package lvsdrtest

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Run carries out commands in the world, one a line: the part of ip, modprobe,
// sysctl, ipvsadm, nft, iptables, ethtool, cat with a here-document, chmod, ln, mkdir,
// rmdir and rm that [World.Dump] writes, and their opposites; and of what the doctor
// looks at, "listen", "close", "ps", "conn", "established", "stat" and "lan", which no shell has
// (run_observer.go, run_lan.go), and what lvsdr's keepalived sees (keepalived.go). It is how a test makes the world it starts from and how it plays the other people on the host:
// nothing is counted, logged or made to fail. Empty lines and what stands behind
// " # " are skipped. It stops at the first command that fails.
func (w *World) Run(commands string) error {
	return w.do(func(s *state) error {
		lines := strings.Split(commands, "\n")
		for len(lines) > 0 {
			used, err := s.run(lines)
			if err != nil {
				return fmt.Errorf("%s: %w", strings.TrimSpace(lines[0]), err)
			}
			lines = lines[used:]
		}
		return nil
	})
}

// must is Run for the worlds of this package's makers.
func (w *World) must(commands []string) *World {
	for _, c := range commands {
		if err := w.Run(c); err != nil {
			panic(fmt.Sprintf("lvsdrtest: %v", err))
		}
	}
	return w
}

var errUsage = fmt.Errorf("this is no command a World knows: %w", syscall.EINVAL)

// tools are the commands but cat, which is longer than a line.
var tools = map[string]func(*state, []string) error{
	"ip": (*state).runIP, "modprobe": (*state).runModprobe, "sysctl": (*state).runSysctl,
	"arptables": (*state).runArptables, "ipvsadm": (*state).runIpvsadm, "nft": (*state).runNft, "iptables": (*state).runIptables,
	"ip6tables": (*state).runIptables, "chmod": (*state).runChmod, "ln": (*state).runLn,
	"mkdir": (*state).runMkdir, "rm": (*state).runRemove, "rmdir": (*state).runRemove,
	"listen": (*state).runListen, "close": (*state).runClose, "ps": (*state).runPs, "conn": (*state).runConn,
	"ethtool": (*state).runEthtool, "stat": (*state).runStat, "established": (*state).runEstablished, "lan": (*state).runLAN,
	"keepalived": (*state).runKeepalived, "vrrp": (*state).runVRRP,
}

// run carries out the first command of lines and returns how many lines it took.
func (s *state) run(lines []string) (int, error) {
	if strings.HasPrefix(strings.TrimSpace(lines[0]), "cat >") {
		return s.runCat(lines)
	}
	line, _, _ := strings.Cut(lines[0], " # ")
	words := strings.Fields(line)
	if len(words) == 0 || strings.HasPrefix(words[0], "#") {
		return 1, nil
	}
	tool, ok := tools[words[0]]
	if !ok || len(words) < 2 {
		return 0, errUsage
	}
	if words[0] == "iptables" || words[0] == "ip6tables" {
		return 1, tool(s, words)
	}
	return 1, tool(s, words[1:])
}

func (s *state) runCat(lines []string) (int, error) {
	head, comment, _ := strings.Cut(strings.TrimSpace(lines[0]), " # ")
	name, marker, ok := strings.Cut(strings.TrimPrefix(head, "cat >"), " <<")
	end := slices.Index(lines, strings.Trim(strings.TrimSpace(marker), "'"))
	if !ok || end < 0 {
		return 0, fmt.Errorf("a here-document without its end: %w", syscall.EINVAL)
	}
	text := ""
	for _, l := range lines[1:end] {
		text += l + "\n"
	}
	if strings.HasPrefix(comment, "no newline") {
		text = strings.TrimSuffix(text, "\n")
	}
	return end + 1, files{s}.WriteFile(strings.TrimSpace(name), []byte(text), 0o644)
}

func (s *state) runModprobe(words []string) error {
	for _, name := range words {
		if err := s.loadModule(name); err != nil {
			return err
		}
	}
	return nil
}

var swapDots = strings.NewReplacer(".", "/", "/", ".")

// runSysctl takes keys with dots or with slashes, several when no value has a space.
func (s *state) runSysctl(words []string) error {
	if several := words[1:]; len(several) > 1 && !slices.ContainsFunc(several, func(w string) bool { return !strings.Contains(w, "=") }) {
		for _, w := range several {
			if err := s.runSysctl([]string{words[0], w}); err != nil {
				return err
			}
		}
		return nil
	}
	key, value, ok := strings.Cut(strings.Join(words[1:], " "), "=")
	if words[0] != "-w" || !ok {
		return errUsage
	}
	if !strings.Contains(key, "/") {
		key = strings.ReplaceAll(key, ".", "/")
	} else if strings.IndexAny(key, "./") == strings.Index(key, ".") {
		key = swapDots.Replace(key) // "net.ipv4.conf.eth0/100.arp_ignore"
	}
	return sysctls{s}.Set(key, strings.Trim(value, `"`))
}

func (s *state) runChmod(words []string) error {
	if len(words) != 2 {
		return errUsage
	}
	mode, err := strconv.ParseUint(words[0], 8, 32)
	if err != nil {
		return err
	}
	at, err := s.resolve("chmod", words[1], true)
	if err != nil {
		return err
	}
	n, ok := s.nodes[at]
	if !ok {
		return pathError("chmod", words[1], syscall.ENOENT)
	}
	n.mode = n.mode&fs.ModeType | fs.FileMode(mode).Perm()
	s.nodes[at] = n
	return nil
}

func (s *state) runLn(words []string) error {
	if len(words) != 3 || words[0] != "-s" {
		return errUsage
	}
	return files{s}.Symlink(words[1], words[2])
}

func (s *state) runEthtool(words []string) error {
	if len(words) != 4 || words[0] != "-K" || words[2] != "lro" {
		return errUsage
	}
	return s.runLinkSet(words[1], "lro "+words[3])
}

func (s *state) runMkdir(words []string) error {
	if len(words) != 2 || words[0] != "-p" {
		return errUsage
	}
	at, err := s.resolve("mkdir", words[1], true)
	if err != nil {
		return err
	}
	s.makeParents(path.Join(at, "x"))
	return nil
}

func (s *state) runRemove(words []string) error { return files{s}.Remove(words[len(words)-1]) }

func (s *state) runIP(words []string) error {
	if len(words) < 3 {
		return errUsage
	}
	switch words[0] + " " + words[1] {
	case "link add":
		return s.runLinkAdd(words[2], options(words[3:]))
	case "link del":
		s.removeLink(words[2])
		return nil
	case "link set":
		if words[2] == "dev" {
			words = words[1:]
		}
		return s.runLinkSet(words[2], strings.Join(words[3:], " "))
	case "addr add":
		a, err := parseAddress(words[2], words[3:])
		if err != nil {
			return err
		}
		return s.addAddress(a)
	case "addr change":
		a, err := parseAddress(words[2], words[3:])
		if err != nil {
			return err
		}
		return s.ensureAddress(a)
	case "addr del":
		a, err := parseAddress(words[2], words[3:])
		if err != nil {
			return err
		}
		return s.removeAddress(a)
	case "neigh add", "neigh replace", "neigh del":
		return s.runNeigh(words[1], words[2:])
	case "route flush": // the cache, which a World has not
		return nil
	case "route add", "route replace", "route del":
		r, err := parseRoute(words[2:])
		if err != nil {
			return err
		}
		s.routes = slices.DeleteFunc(s.routes, func(x route) bool { return x == r })
		if words[1] != "del" {
			s.routes = append(s.routes, r)
		}
		return nil
	}
	return errUsage
}

// options reads "key value" pairs; the words of ip without a value stand for
// themselves.
func options(words []string) map[string]string {
	all := map[string]string{}
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "nodad", "noprefixroute", "blackhole", "v6only", "unsure", "dadfailed", "tentative":
			all[words[i]] = words[i]
			continue
		}
		if i+1 < len(words) {
			all[words[i]] = words[i+1]
		}
		i++
	}
	return all
}

func (s *state) runLinkAdd(name string, o map[string]string) error {
	if s.link(name) != nil {
		return fmt.Errorf("interface %s: %w", name, fs.ErrExist)
	}
	l := host.Link{Name: name, Kind: o["type"], NoARP: o["type"] == "dummy"}
	if o["address"] != "" {
		mac, err := net.ParseMAC(o["address"])
		if err != nil {
			return err
		}
		l.MAC = mac
	}
	s.makeLink(l)
	return nil
}

// removeLink takes an interface away with its addresses.
func (s *state) removeLink(name string) {
	s.links = slices.DeleteFunc(s.links, func(l host.Link) bool { return l.Name == name })
	s.addresses = slices.DeleteFunc(s.addresses, func(a host.Address) bool { return a.Link == name })
}

func (s *state) runLinkSet(name, what string) error {
	l := s.link(name)
	if l == nil {
		return noLink(name)
	}
	master, enslaved := strings.CutPrefix(what, "master ")
	size, sized := strings.CutPrefix(what, "mtu ")
	switch {
	case what == "up" || what == "down":
		return s.setUp(name, what == "up")
	case what == "arp off" || what == "arp on":
		l.NoARP = what == "arp off"
	case what == "carrier off" || what == "carrier on":
		l.Carrier = what == "carrier on"
	case enslaved && s.link(master) != nil:
		l.Master = master
	case sized:
		n, err := strconv.Atoi(size)
		l.MTU = n
		return err
	case what == "lro on" || what == "lro off": // ethtool(8)'s
		l.LRO = what == "lro on"
	default:
		return errUsage
	}
	return nil
}

// parseAddress reads what stands behind "ip addr add".
func parseAddress(prefix string, words []string) (host.Address, error) {
	o := options(words)
	p, err := parsePrefix(prefix)
	a := host.Address{
		Prefix: p, Link: o["dev"], Label: o["label"], NoDAD: o["nodad"] != "", NoPrefixRoute: o["noprefixroute"] != "",
		Deprecated: o["preferred_lft"] == "0", Scope: usualScope(p.Addr()),
		DADFailed: o["dadfailed"] != "", Tentative: o["tentative"] != "",
	}
	if scope, ok := scopes[o["scope"]]; ok {
		a.Scope = scope
	}
	for _, v := range []struct {
		word string
		to   *netip.Addr
	}{{"brd", &a.Broadcast}, {"peer", &a.Peer}} {
		if o[v.word] != "" && err == nil {
			*v.to, err = netip.ParseAddr(o[v.word])
		}
	}
	for _, v := range []struct {
		word string
		put  func(uint64)
	}{
		{"metric", func(n uint64) { a.Metric = uint32(n) }},
		{"proto", func(n uint64) { a.Protocol = uint8(n) }},
		{"valid_lft", func(n uint64) { a.Lifetime = time.Duration(n) * time.Second }},
	} {
		if o[v.word] != "" && err == nil {
			var n uint64
			n, err = strconv.ParseUint(o[v.word], 10, 32)
			v.put(n)
		}
	}
	return a, err
}

// parsePrefix reads an address with or without a mask.
func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	addr, err := netip.ParseAddr(text)
	return netip.PrefixFrom(addr, addr.BitLen()), err
}

func parseRoute(words []string) (r route, err error) {
	r.blackhole, r.local = words[0] == "blackhole", words[0] == "local"
	if r.blackhole || r.local {
		words = words[1:]
	}
	if len(words) == 0 {
		return r, errUsage
	}
	o := options(words[1:])
	if via := o["via"]; via != "" {
		if r.gateway, err = netip.ParseAddr(via); err != nil {
			return r, err
		}
	}
	r.link, r.protocol = o["dev"], o["proto"]
	if src := o["src"]; src != "" {
		if r.source, err = netip.ParseAddr(src); err != nil {
			return r, err
		}
	}
	for _, v := range []struct {
		word string
		put  func(uint64)
	}{{"metric", func(n uint64) { r.metric = uint32(n) }}, {"mtu", func(n uint64) { r.mtu = int(n) }}} {
		if o[v.word] == "" {
			continue
		}
		n, err := strconv.ParseUint(o[v.word], 10, 32)
		if err != nil {
			return r, err
		}
		v.put(n)
	}
	if words[0] != "default" {
		r.dst, err = parsePrefix(words[0])
		return r, err
	}
	r.dst = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if r.gateway.Is6() {
		r.dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return r, nil
}
