package lvsdrtest

import (
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Kernel defaults, read off Linux 6.1. Per interface: those of a new interface;
// "all" where it differs.
var (
	conf4 = map[string]string{
		"accept_local": "0", "accept_redirects": "1", "accept_source_route": "1", "arp_accept": "0",
		"arp_announce": "0", "arp_filter": "0", "arp_ignore": "0", "arp_notify": "0", "disable_policy": "0",
		"drop_gratuitous_arp": "0", "forwarding": "0", "log_martians": "0", "promote_secondaries": "0",
		"proxy_arp": "0", "route_localnet": "0", "rp_filter": "0", "secure_redirects": "1", "send_redirects": "1",
		"shared_media": "1",
	}
	conf6 = map[string]string{
		"accept_dad": "1", "accept_ra": "1", "accept_redirects": "1", "accept_source_route": "0", "autoconf": "1",
		"dad_transmits": "1", "disable_ipv6": "0", "forwarding": "0", "ndisc_notify": "0", "proxy_ndp": "0",
		"use_tempaddr": "0",
	}
	exceptions = map[string]string{
		"net/ipv4/conf/all/accept_source_route": "0", "net/ipv4/conf/lo/disable_policy": "1",
		"net/ipv6/conf/all/accept_dad": "0", "net/ipv6/conf/lo/accept_dad": "-1", "net/ipv6/conf/lo/use_tempaddr": "-1",
	}
	confGlobal = map[string]string{
		"net/ipv4/ip_nonlocal_bind": "0", "net/ipv6/ip_nonlocal_bind": "0", "net/ipv4/tcp_syncookies": "1",
		"net/ipv4/tcp_keepalive_time": "7200", "net/ipv4/tcp_mtu_probing": "0", "net/core/somaxconn": "4096",
	}
	// confVS appear when ip_vs is loaded (net/netfilter/ipvs/ip_vs_ctl.c).
	confVS = map[string]string{
		"am_droprate": "10", "amemthresh": "1024", "backup_only": "0", "cache_bypass": "0", "conn_reuse_mode": "1",
		"conntrack": "0", "drop_entry": "0", "drop_packet": "0", "expire_nodest_conn": "0",
		"expire_quiescent_template": "0", "ignore_tunneled": "0", "nat_icmp_send": "0", "pmtu_disc": "1",
		"run_estimation": "1", "schedule_icmp": "0", "secure_tcp": "0", "sloppy_sctp": "0", "sloppy_tcp": "0",
		"snat_reroute": "1", "sync_persist_mode": "0", "sync_ports": "1", "sync_refresh_period": "0",
		"sync_retries": "0", "sync_sock_size": "0", "sync_threshold": "3 50", "sync_version": "1",
	}
)

const (
	ipForward   = "net/ipv4/ip_forward"
	forwarding4 = "net/ipv4/conf/all/forwarding" // the same variable
	forwarding6 = "net/ipv6/conf/all/forwarding"
)

func (s *state) makeSysctls() {
	maps.Copy(s.sysctls, confGlobal)
	for _, name := range []string{"all", "default"} {
		s.makeLinkSysctls(name)
	}
}

func (s *state) makeLinkSysctls(link string) {
	for key := range conf4 {
		key = "net/ipv4/conf/" + link + "/" + key
		s.sysctls[key] = kernelDefault(key)
	}
	for key := range conf6 {
		key = "net/ipv6/conf/" + link + "/" + key
		s.sysctls[key] = kernelDefault(key)
	}
	// A new interface takes after "default".
	for _, family := range []string{"net/ipv4/conf/", "net/ipv6/conf/"} {
		if v, ok := s.sysctls[family+"default/forwarding"]; ok && link != "all" {
			s.sysctls[family+link+"/forwarding"] = v
		}
	}
}

func (s *state) makeIPVSSysctls() {
	for key, value := range confVS {
		s.sysctls["net/ipv4/vs/"+key] = value
	}
}

// kernelDefault is what an untouched kernel has there.
func kernelDefault(key string) string {
	if v, ok := exceptions[key]; ok {
		return v
	}
	last := key[strings.LastIndex(key, "/")+1:]
	switch {
	case strings.HasPrefix(key, "net/ipv4/conf/"):
		return conf4[last]
	case strings.HasPrefix(key, "net/ipv6/conf/"):
		return conf6[last]
	case strings.HasPrefix(key, "net/ipv4/vs/"):
		return confVS[last]
	}
	return confGlobal[key]
}

func canonical(key string) string {
	if key == ipForward {
		return forwarding4
	}
	return key
}

func sysctlError(op, key string, errno syscall.Errno) error {
	return &fs.PathError{Op: op, Path: "/proc/sys/" + key, Err: errno}
}

func (s sysctls) Get(key string) (string, error) {
	value, ok := s.sysctls[canonical(key)]
	if !ok {
		return "", sysctlError("open", key, syscall.ENOENT)
	}
	return value, nil
}

// Set sets a key, and what the kernel sets along with it.
func (s sysctls) Set(key, value string) error {
	name := canonical(key)
	before, ok := s.sysctls[name]
	if !ok {
		return sysctlError("open", key, syscall.ENOENT)
	}
	numbers := strings.Fields(value)
	if len(numbers) != len(strings.Fields(before)) {
		return sysctlError("write", key, syscall.EINVAL)
	}
	for _, n := range numbers {
		if _, err := strconv.ParseInt(n, 10, 32); err != nil {
			return sysctlError("write", key, syscall.EINVAL)
		}
	}
	value = strings.Join(numbers, " ")
	s.sysctls[name] = value
	if value != before {
		s.forwardingChanged(name, value)
	}
	return nil
}

// forwardingChanged hands a new net.ipv4.ip_forward or net.ipv6.conf.all.forwarding
// down to every interface; the former also sets conf.all.accept_redirects to its
// opposite (inet_forward_change, measured on 6.1).
func (s *state) forwardingChanged(key, value string) {
	family := ""
	switch key {
	case forwarding4:
		family = "net/ipv4/conf/"
		s.sysctls[family+"all/accept_redirects"] = "0"
		if value == "0" {
			s.sysctls[family+"all/accept_redirects"] = "1"
		}
	case forwarding6:
		family = "net/ipv6/conf/"
	default:
		return
	}
	for name := range s.sysctls {
		if strings.HasPrefix(name, family) && strings.HasSuffix(name, "/forwarding") {
			s.sysctls[name] = value
		}
	}
}

// changedSysctls returns the keys that are not as an untouched kernel with the
// same forwarding has them, in an order in which setting them again works: the
// ones that set others come first.
func (s *state) changedSysctls() []string {
	var keys []string
	for _, key := range append([]string{forwarding4, forwarding6}, slices.Sorted(maps.Keys(s.sysctls))...) {
		if s.sysctls[key] != s.implied(key) && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// implied is the kernel's default of a key, or what the host's forwarding made it.
func (s *state) implied(key string) string {
	switch {
	case key == forwarding4 || key == forwarding6:
	case strings.HasPrefix(key, "net/ipv4/conf/") && strings.HasSuffix(key, "/forwarding"):
		return s.sysctls[forwarding4]
	case strings.HasPrefix(key, "net/ipv6/conf/") && strings.HasSuffix(key, "/forwarding"):
		return s.sysctls[forwarding6]
	case key == "net/ipv4/conf/all/accept_redirects" && s.sysctls[forwarding4] != "0":
		return "0"
	}
	return kernelDefault(key)
}
