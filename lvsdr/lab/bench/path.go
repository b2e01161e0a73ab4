//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// What the client of the path part does.
const (
	pathClients  = 8   // at once
	pathRequests = 160 // measured, after as many as warm up
)

// A traffic kind is what is asked and how.
type pathKind struct {
	name  string
	bytes int  // of the answer
	keep  bool // one connection for all requests of a client
}

var pathKinds = []pathKind{{"128 B, kept", 128, true}, {"128 B, new", 128, false}, {"16 KB, kept", 16 << 10, true}, {"16 KB, new", 16 << 10, false}}

// A way leads a request from the client to the real server.
type way struct {
	name string
	to   netip.AddrPort
	make func(context.Context, *lab.Lab) error // readies the director
}

// path measures what the director costs a request: client, director and one real server
// are on one CPU, and what a way takes more than the direct one is the director's.
func path(ctx context.Context, b *bench) error {
	b.report.table("What the director adds to a request, in thousands of instructions (in brackets: the whole, of the direct way's)",
		"way", pathKinds[0].name, pathKinds[1].name, pathKinds[2].name, pathKinds[3].name)
	l, err := lab.NewWith(ctx, 1)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := serveBytes(l.RealServers[0]); err != nil {
		return err
	}
	var unit []time.Duration
	for _, w := range ways(b.proxies) {
		if w.make != nil {
			if err := w.make(ctx, l); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
		cells := []string{w.name}
		for i, kind := range pathKinds {
			each, err := perRequest(l.Client, w.to, kind)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", w.name, kind.name, err)
			}
			if len(unit) < len(pathKinds) {
				unit = append(unit, each)
				cells = append(cells, fmt.Sprintf("0 (%d)", each.Microseconds()))
				continue
			}
			cells = append(cells, fmt.Sprintf("%.1f (%.2f)", float64(each-unit[i])/1000, float64(each)/float64(unit[i])))
		}
		b.report.row(cells...)
	}
	return nil
}

// ways are the direct one, those of LVS, and those of proxies, where their programs are.
func ways(proxies string) []way {
	vip := netip.AddrPortFrom(lab.VIP, 80)
	all := []way{
		{"direct, no director", netip.AddrPortFrom(lab.RIP(0), 80), nil},
		{"LVS, direct routing", vip, setUpHosts},
		{"LVS, with connection tracking", vip, track},
		{"LVS, with notrack for the VIP", vip, untrack},
	}
	if proxies == "" {
		return all
	}
	at := func(port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr("10.10.10.30"), port)
	}
	return append(all,
		way{"haproxy, tcp", at(8001), func(ctx context.Context, l *lab.Lab) error { return startProxies(ctx, l, proxies) }},
		way{"haproxy, http", at(8002), nil},
		way{"nginx, upstream kept alive", at(8003), nil},
		way{"nginx, as installed", at(8004), nil},
	)
}

// track has connection tracking follow what passes the director, as a firewall that
// asks for the state of connections does.
func track(ctx context.Context, l *lab.Lab) error {
	out, err := l.Director.Run(ctx, "nft", "add table inet f; add chain inet f in { type filter hook input priority 0; policy drop; }; "+
		"add rule inet f in ct state established,related accept; add rule inet f in accept")
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// untrack keeps what is for the VIP out of it.
func untrack(ctx context.Context, l *lab.Lab) error {
	out, err := l.Director.Run(ctx, "nft", "add table ip r; add chain ip r pre { type filter hook prerouting priority raw; }; "+
		"add rule ip r pre ip daddr "+lab.VIP.String()+" notrack")
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// startProxies starts haproxy and nginx on the director, without a firewall in their way.
func startProxies(ctx context.Context, l *lab.Lab, dir string) error {
	h := l.Director
	role, err := lvsdr.Director(event(l, 0))
	if err != nil {
		return err
	}
	if err := h.Do(func() error { _, err := role.Apply(ctx, lvsdr.Local(), step.Absent); return err }); err != nil {
		return err
	}
	if out, err := h.Run(ctx, "nft", "delete table inet f; delete table ip r"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	server := netip.AddrPortFrom(lab.RIP(0), 80).String()
	for name, text := range map[string]string{"/run/haproxy.cfg": haproxyConfig(server), "/run/nginx.conf": nginxConfig(server)} {
		if err := h.Do(func() error { return writeFile(name, text) }); err != nil {
			return err
		}
	}
	for _, words := range [][]string{
		{"haproxy", "-c", "-f", "/run/haproxy.cfg"}, {"nginx", "-t", "-p", "/run", "-c", "/run/nginx.conf", "-e", "/dev/null"},
		{"haproxy", "-db", "-f", "/run/haproxy.cfg"}, {"nginx", "-p", "/run", "-c", "/run/nginx.conf", "-e", "/dev/null"},
	} {
		program := dir + "/usr/sbin/" + words[0]
		if err := copyUp(program); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, program, words[1:]...)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+dir+"/usr/lib/x86_64-linux-gnu")
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := h.Start(cmd); err != nil {
			return err
		}
		if words[1] != "-c" && words[1] != "-t" {
			go cmd.Wait() // it ends with the guest
		} else if err := cmd.Wait(); err != nil { // it is read from the machine now, which takes no time that counts
			return fmt.Errorf("%s: %w: %s", words[0], err, said.String())
		}
	}
	return listening(ctx, l.Client, 8001, 8002, 8003, 8004)
}

// listening waits until the director takes connections at the ports.
func listening(ctx context.Context, client *lab.Host, ports ...int) error {
	for _, port := range ports {
		deadline := time.Now().Add(time.Minute)
		for {
			c, err := client.Dial(ctx, "tcp", fmt.Sprintf("10.10.10.30:%d", port))
			if err == nil {
				c.Close()
				break
			}
			if time.Now().After(deadline) {
				return err
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

func haproxyConfig(server string) string {
	return `global
 nbthread 1
defaults
 timeout connect 5s
 timeout client 30s
 timeout server 30s
 maxconn 1000
listen tcp
 mode tcp
 bind :8001
 server s ` + server + `
listen http
 mode http
 bind :8002
 server s ` + server + "\n"
}

func nginxConfig(server string) string {
	return `daemon off;
user root;
worker_processes 1;
pid /run/nginx-bench.pid;
events { worker_connections 1000; }
http {
 access_log off;
 client_body_temp_path /run/b; proxy_temp_path /run/p; fastcgi_temp_path /run/f; uwsgi_temp_path /run/u; scgi_temp_path /run/s;
 keepalive_requests 1000000;
 upstream kept { server ` + server + `; keepalive 32; keepalive_requests 1000000; }
 server { listen 8003; location / { proxy_pass http://kept; proxy_http_version 1.1; proxy_set_header Connection ""; } }
 server { listen 8004; location / { proxy_pass http://` + server + `; } }
}
`
}

// serveBytes answers /N with N bytes.
func serveBytes(h *lab.Host) error {
	l, err := h.Listen(context.Background(), "tcp", ":80")
	if err != nil {
		return err
	}
	body := []byte(strings.Repeat("x", 16<<10))
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := 0
		fmt.Sscanf(r.URL.Path, "/%d", &n)
		w.Header().Set("Content-Length", fmt.Sprint(n))
		_, _ = w.Write(body[:n])
	}))
	return nil
}

// perRequest is the time that one request takes, of many.
func perRequest(client *lab.Host, to netip.AddrPort, kind pathKind) (time.Duration, error) {
	var took time.Duration
	for range 2 { // the first warms up
		errs := make([]error, pathClients)
		var all sync.WaitGroup
		start := time.Now()
		for i := range pathClients {
			all.Add(1)
			go func() {
				defer all.Done()
				errs[i] = ask(client, to, kind, pathRequests/pathClients)
			}()
		}
		all.Wait()
		took = time.Since(start)
		for _, err := range errs {
			if err != nil {
				return 0, err
			}
		}
	}
	return took / pathRequests, nil
}

// ask makes requests one after the other.
func ask(client *lab.Host, to netip.AddrPort, kind pathKind, n int) error {
	var c net.Conn
	var answers *bufio.Reader
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for range n {
		if c == nil {
			var err error
			if c, err = client.Dial(context.Background(), "tcp", to.String()); err != nil {
				return err
			}
			answers = bufio.NewReader(c)
			c.SetDeadline(time.Now().Add(time.Minute))
		}
		if err := requestPath(c, answers, fmt.Sprintf("/%d", kind.bytes)); err != nil {
			return err
		}
		if !kind.keep {
			c.Close()
			c = nil
		}
	}
	return nil
}
