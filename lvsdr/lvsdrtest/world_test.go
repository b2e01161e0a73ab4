package lvsdrtest_test

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

var ctx = context.Background()

// everything is a world with at least one of each thing.
const everything = `ip link add eth0.100 address 02:00:00:00:01:30 type veth
ip link set eth0.100 arp off
ip addr add 10.10.10.22/32 dev eth0 label eth0:0
ip addr add 10.10.10.23/24 dev eth0
ip addr add fd00:10::22/128 dev eth0 nodad preferred_lft 0
ip route add blackhole 10.10.10.99
ip route add blackhole 10.10.10.22 proto 76 metric 1073741824
ip route add local 10.10.11.22 dev lo
modprobe ip_vs_wrr ip_vs_sh ip_vs_mh
sysctl -w net.ipv4.ip_forward=1
sysctl -w net.ipv4.conf.eth0.forwarding=0
sysctl -w net/ipv4/conf/eth0.100/arp_ignore=1
sysctl -w net.ipv4.vs.sync_threshold="3 60"
ipvsadm --set 30 5 60
ipvsadm -A -t 10.10.10.22:80 -s wrr -p 20
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.30:80 -g -w 3
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1 -x 100 -y 50
ipvsadm -A -t 10.10.10.22:443 -s sh -p 300 -M 255.255.255.0 -b sh-fallback,sh-port
ipvsadm -A -t 10.10.10.22:445 -s wrr -b flag-1,flag-3
ipvsadm -A -u 10.10.10.22:53 -s wrr -o
ipvsadm -A --sctp-service 10.10.10.22:2905 -s wrr
ipvsadm -A -t [fd00:10::22]:80 -s mh -p 20 -M 64 -b mh-port
ipvsadm -a -t [fd00:10::22]:80 -r [fd00:10::31]:80 -g -w 2
ipvsadm -A -f 7 -s wrr
ipvsadm -a -f 7 -r 10.10.10.31:0 -i -w 1
ipvsadm -A -f 7 -6 -s wrr
nft insert rule inet filter input ip daddr 10.10.10.22 tcp dport 80 accept comment "lvsdr"
nft insert rule inet filter input ip saddr 192.0.2.1 drop
nft add rule inet lvsdr prerouting ip daddr 10.10.10.22 tcp dport 80 notrack comment "lvsdr"
iptables -P INPUT DROP
iptables -A INPUT -p tcp --dport 22 -j ACCEPT
ip6tables -I INPUT -d fd00:10::22 -p tcp --dport 80 -m comment --comment lvsdr -j ACCEPT
cat >/etc/sysctl.d/99-x.conf <<'EOF'
net.ipv4.ip_forward = 1
EOF
chmod 0600 /etc/sysctl.d/99-x.conf
cat >/etc/odd <<'EOF' # no newline at the end
odd
EOF
ln -s /etc/odd /etc/link
mkdir -p /srv/empty
ip neigh add 10.10.10.31 lladdr 02:00:00:00:00:31 dev eth0 nud reachable
ip neigh add 10.10.10.32 dev eth0 nud failed
listen tcp 0.0.0.0:80 nginx[100]
listen tcp [::]:443 nginx[100] v6only unsure dev eth0
ps add keepalived
conn add tcp SYN_RECV 10.10.10.100:4000 10.10.10.22:80 10.10.10.31:80 60
conn add ip NONE 10.10.10.100:0 0.0.0.7:0 10.10.10.31:0 60
stat -t 10.10.10.22:80 -r 10.10.10.31:80 conns=100 inpkts=3200 active=7 inactive=93
lan add 02:00:00:00:00:31 10.10.10.31
lan answer 02:00:00:00:00:31 10.10.10.22:80 accepted from 02:00:00:00:00:31,02:00:00:00:00:32
lan claim 02:00:00:00:00:32 10.10.10.22 10.10.10.1
lan page 10.10.10.22:80 1000 0
`

func TestDumpIsTheCommandsThatMakeIt(t *testing.T) {
	w := lvsdrtest.Director(everything)
	dump := w.Dump()
	if again := lvsdrtest.New(dump).Dump(); again != dump {
		t.Errorf("a world made of a dump:\n%s\nof the dump:\n%s", again, dump)
	}
	for line := range strings.Lines(everything) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " # ")
		if !strings.HasPrefix(line, "modprobe") && !strings.Contains(dump, line) {
			t.Errorf("not in the dump: %s", line)
		}
	}
	if n := w.Edits(); n != 0 {
		t.Errorf("Run counted %d edits", n)
	}
}

// TestKernel is what the kernel says to an edit of the world after some commands.
func TestKernel(t *testing.T) {
	const table = "modprobe ip_vs_wrr\nipvsadm -A -t 10.10.10.22:80 -s wrr\nipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1"
	tests := []struct {
		name, world, command string
		want                 error
		leaves               string // in the dump
	}{
		{"address again", "", "ip addr add 10.10.10.30/24 dev eth0", nil, ""},
		{"address again, other label", "", "ip addr add 10.10.10.30/24 dev eth0 label eth0:0", fs.ErrExist, ""},
		{"address again, other mask", "", "ip addr add 10.10.10.30/32 dev eth0", nil, "10.10.10.30/32 dev eth0\n"},
		{"IPv6 address again, other mask", "", "ip addr add fd00:10::30/128 dev eth0", fs.ErrExist, ""},
		{"IPv6 address, other interface", "", "ip addr add fd00:10::30/128 dev lo nodad", nil, "fd00:10::30/128 dev lo nodad\n"},
		{"IPv6 disabled", "sysctl -w net.ipv6.conf.lo.disable_ipv6=1", "ip addr add fd00:10::22/128 dev lo", fs.ErrPermission, ""},
		{"no interface", "", "ip addr add 10.10.10.22/32 dev eth9", fs.ErrNotExist, ""},
		{"label too long", "ip link add enx001122334455 type veth", "ip addr add 10.10.10.22/32 dev enx001122334455 label enx001122334455:0", syscall.ERANGE, ""},
		{"address gone", "", "ip addr del 10.10.10.99/24 dev eth0", nil, ""},
		{"module absent", "", "modprobe ip_vs_nosuch", fs.ErrNotExist, ""},
		{"scheduler brings ip_vs", "", "modprobe ip_vs_rr", nil, "modprobe ip_vs\nmodprobe ip_vs_rr\n"},
		{"sysctl absent", "", "sysctl -w net.ipv4.vs.conntrack=1", fs.ErrNotExist, ""},
		{"sysctl of IPVS", "modprobe ip_vs", "sysctl -w net.ipv4.vs.conntrack=1", nil, "sysctl -w net.ipv4.vs.conntrack=1\n"},
		{"sysctl no number", "", "sysctl -w net.ipv4.ip_forward=yes", syscall.EINVAL, ""},
		{"no IPVS yet", "", "ipvsadm -A -t 10.10.10.22:80 -s wrr", host.ErrNoIPVS, ""},
		{"no scheduler yet", "modprobe ip_vs", "ipvsadm -A -t 10.10.10.22:80 -s wrr", fs.ErrNotExist, ""},
		{"service again", table, "ipvsadm -A -t 10.10.10.22:80 -s wrr", fs.ErrExist, ""},
		{"service absent", table, "ipvsadm -D -t 10.10.10.22:81", syscall.ESRCH, ""},
		{"service takes its real servers", table, "ipvsadm -D -t 10.10.10.22:80", nil, ""},
		{"real server again", table, "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80", fs.ErrExist, ""},
		{"real server absent", table, "ipvsadm -d -t 10.10.10.22:80 -r 10.10.10.32:80", fs.ErrNotExist, ""},
		{"real server without service", table, "ipvsadm -a -t 10.10.10.22:81 -r 10.10.10.31:81", fs.ErrNotExist, ""},
		{"thresholds", table, "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.32:80 -x 5 -y 6", syscall.ERANGE, ""},
		{"multicast", table, "ipvsadm -a -t 10.10.10.22:80 -r 224.0.0.1:80", syscall.EINVAL, ""},
		{"broadcast", table, "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.255:80", syscall.EINVAL, ""},
		{"IPv6 in IPv4", table, "ipvsadm -a -t 10.10.10.22:80 -r [fd00:10::31]:80", syscall.EINVAL, ""},
		{"in place", table, "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31:80 -w 7", nil, "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 7\n"},
		{"not a command", "", "reboot now", syscall.EINVAL, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := lvsdrtest.Director(tt.world)
			if err := w.Run(tt.command); !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if !strings.Contains(w.Dump(), tt.leaves) {
				t.Errorf("no %s in\n%s", tt.leaves, w.Dump())
			}
		})
	}
}

func TestPrimaryTakesItsSecondariesAlong(t *testing.T) {
	const second = "ip addr add 10.10.10.22/24 dev eth0"
	w := lvsdrtest.Director(second, "ip addr del 10.10.10.30/24 dev eth0")
	if strings.Contains(w.Dump(), "10.10.10.22") {
		t.Errorf("the secondary survives:\n%s", w.Dump())
	}
	w = lvsdrtest.Director("sysctl -w net.ipv4.conf.all.promote_secondaries=1", second, "ip addr del 10.10.10.30/24 dev eth0")
	if !strings.Contains(w.Dump(), second+"\n") {
		t.Errorf("the secondary is not promoted:\n%s", w.Dump())
	}
}

// TestForwardingReachesDown: what net.ipv4.ip_forward does besides.
func TestForwardingReachesDown(t *testing.T) {
	w := lvsdrtest.Director("sysctl -w net.ipv4.conf.all.accept_redirects=0", "sysctl -w net.ipv4.conf.eth0.forwarding=1", "sysctl -w net.ipv4.ip_forward=1")
	check := func(key, want string) {
		t.Helper()
		if got, err := w.Host().Sysctl.Get(key); got != want || err != nil {
			t.Errorf("%s is %q, %v, want %s", key, got, err, want)
		}
	}
	check("net/ipv4/conf/all/forwarding", "1")
	check("net/ipv4/conf/default/forwarding", "1")
	check("net/ipv4/conf/lo/forwarding", "1")
	if err := w.Host().Sysctl.Set("net/ipv4/ip_forward", "0"); err != nil {
		t.Fatal(err)
	}
	check("net/ipv4/conf/eth0/forwarding", "0")
	check("net/ipv4/conf/all/accept_redirects", "1")
}

func TestRoutes(t *testing.T) {
	w := lvsdrtest.Director("ip addr add 10.10.20.1/24 dev lo", "ip route add blackhole 10.10.10.99", "ip route add blackhole fd00:10::99",
		"ip addr add fd00:10::22/128 dev eth0 preferred_lft 0")
	tests := []struct {
		to   string
		want host.Route
		err  error
	}{
		{"10.10.10.31", host.Route{Link: "eth0", Source: netip.MustParseAddr("10.10.10.30")}, nil},
		{"10.10.10.30", host.Route{Link: "eth0", Source: netip.MustParseAddr("10.10.10.30"), Local: true}, nil},
		{"10.10.20.77", host.Route{Link: "lo", Source: netip.MustParseAddr("10.10.20.77"), Local: true}, nil},
		{"192.0.2.1", host.Route{Link: "eth0", Gateway: netip.MustParseAddr("10.10.10.1"), Source: netip.MustParseAddr("10.10.10.30")}, nil},
		{"10.10.10.99", host.Route{}, fs.ErrNotExist},
		{"fd00:10::99", host.Route{}, fs.ErrNotExist},
		{"fd00:10::31", host.Route{Link: "eth0", Source: netip.MustParseAddr("fd00:10::30")}, nil},
	}
	for _, tt := range tests {
		got, err := w.Host().Routes.To(ctx, netip.MustParseAddr(tt.to))
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("to %s: %+v, %v, want %+v, %v", tt.to, got, err, tt.want, tt.err)
		}
	}
	if _, err := lvsdrtest.New().Host().Routes.To(ctx, netip.MustParseAddr("192.0.2.1")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no route: %v", err)
	}
}

func TestFiles(t *testing.T) {
	w := lvsdrtest.New("mkdir -p /a/b", "ln -s b /a/link", "ln -s loop /loop")
	f := w.Host().Files
	if err := f.WriteFile("/a/link/file", []byte("text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := f.ReadFile("/a/b/file"); err != nil || string(data) != "text\n" {
		t.Errorf("through the link: %q, %v", data, err)
	}
	if names, err := f.ReadDir("/a"); err != nil || strings.Join(names, " ") != "b link" {
		t.Errorf("ReadDir: %q, %v", names, err)
	}
	if target, err := f.Readlink("/a/link"); err != nil || target != "b" {
		t.Errorf("Readlink: %q, %v", target, err)
	}
	for name, err := range map[string]error{
		"not empty":   f.Remove("/a/b"),
		"not a link":  second(f.Readlink("/a/b")),
		"absent":      second(f.ReadFile("/a/c")),
		"absent dir":  second(f.ReadDir("/c")),
		"a loop":      second(f.ReadFile("/loop")),
		"a directory": f.WriteFile("/a/b", nil, 0o644),
		"no folder":   f.WriteFile("/a/b/file/x", nil, 0o644),
		"not a file":  f.Symlink("x", "/a/b/file"),
		"not full":    f.WriteFile("a", nil, 0o644),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := errors.Join(f.Remove("/a/b/file"), f.Remove("/a/b/file"), f.Remove("/a/link"), f.Remove("/a/b")); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestLocalNode(t *testing.T) {
	w := lvsdrtest.Director("modprobe ip_vs_wrr", "ipvsadm -A -t 10.10.10.22:80 -s wrr", "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.30:80 -g")
	id := ipvs.ID{Addr: netip.MustParseAddr("10.10.10.22"), Port: 80, Protocol: ipvs.TCP}
	d, err := w.Host().IPVS.Destinations(ctx, id, ipvs.Plain)
	if err != nil || len(d) != 1 || d[0].Forwarding != ipvs.LocalNode {
		t.Errorf("%+v, %v", d, err)
	}
	if !w.Connect(id, netip.MustParseAddrPort("10.10.10.30:80"), 7) {
		t.Error("no such real server")
	}
	if d, _ = w.Host().IPVS.Destinations(ctx, id, ipvs.Plain); d[0].Active != 7 {
		t.Errorf("%d connections", d[0].Active)
	}
}

func TestWithoutIPVS(t *testing.T) {
	h := lvsdrtest.Director().WithoutIPVS().Host()
	if err := h.Modules.Find(ctx, "ip_vs"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Find: %v", err)
	}
	if s, err := h.IPVS.Services(ctx, ipvs.Plain); len(s) != 0 || err != nil {
		t.Errorf("Services: %v, %v", s, err)
	}
	if _, err := h.IPVS.Apply(ctx, nil); !errors.Is(err, host.ErrNoIPVS) {
		t.Errorf("Apply: %v", err)
	}
	if err := lvsdrtest.Director().BuiltIn("ip_vs").Host().Sysctl.Set("net/ipv4/vs/conntrack", "1"); err != nil {
		t.Errorf("built in: %v", err)
	}
}

func TestWithoutRights(t *testing.T) {
	w := lvsdrtest.Director().WithoutRights()
	before := w.Dump()
	if err := w.Host().Sysctl.Set("net/ipv4/ip_forward", "1"); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
	if _, err := w.Host().Sysctl.Get("net/ipv4/ip_forward"); err != nil {
		t.Error(err)
	}
	if w.Dump() != before {
		t.Error("something changed")
	}
}

func TestRaces(t *testing.T) {
	w := lvsdrtest.Director()
	var all sync.WaitGroup
	for range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			a := host.Address{Prefix: netip.MustParsePrefix("10.10.10.22/32"), Link: "lo", Label: "lo:0"}
			for range 20 {
				_ = w.Host().Links.AddAddress(ctx, a)
				_ = w.Host().Links.RemoveAddress(ctx, a)
				w.Dump()
				w.Log()
			}
		}()
	}
	all.Wait()
	if n := w.Edits(); n != 320 {
		t.Errorf("%d edits, want 320", n)
	}
}
