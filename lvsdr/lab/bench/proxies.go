//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// proxyWays are those of proxies, where their programs are and can run.
func proxyWays(dir string) []way {
	if dir == "" {
		return nil
	}
	start := func(program, config string) func(context.Context, *lab.Lab) error {
		return func(ctx context.Context, l *lab.Lab) error { return startProxy(ctx, l, dir, program, config) }
	}
	all := []way{
		{name: "nginx, upstream kept alive", to: at(8003), make: start("nginx", nginxConfig())},
		{name: "nginx, as installed", to: at(8004)},
	}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil && bytes.Contains(info, []byte(" cx16 ")) { // else haproxy ends at once, see umlexec
		all = append(all, way{name: "haproxy, tcp", to: at(8001), make: start("haproxy", haproxyConfig())}, way{name: "haproxy, http", to: at(8002)})
	}
	return all
}

// at is a port of the director.
func at(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("10.10.10.30"), port)
}

// noLVS takes away what the ways before needed: lvsdr's role and the firewall.
func noLVS(ctx context.Context, l *lab.Lab) error {
	role, err := lvsdr.Director(basic(1))
	if err != nil {
		return err
	}
	if _, err := role.Apply(ctx, l.Director.LVS(), step.Absent); err != nil {
		return err
	}
	if out, err := l.Director.Run(ctx, "nft", "delete table inet f; delete table ip r"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// startProxy starts a proxy on the director; it ends with the context.
func startProxy(ctx context.Context, l *lab.Lab, dir, name, config string) error {
	file, program := "/run/"+name+".conf", dir+"/usr/sbin/"+name
	if err := l.Director.Do(func() error { return writeFile(file, config) }); err != nil {
		return err
	}
	if err := copyUp(program); err != nil {
		return err
	}
	check, run := []string{"-c", "-f", file}, []string{"-db", "-f", file}
	if name == "nginx" {
		run = []string{"-p", "/run", "-c", file, "-e", "/dev/null"}
		check = append([]string{"-t"}, run...)
	}
	for _, words := range [][]string{check, run} {
		cmd := exec.CommandContext(ctx, program, words...)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+dir+"/usr/lib/x86_64-linux-gnu")
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := l.Director.Start(cmd); err != nil {
			return err
		}
		if &words[0] == &run[0] {
			go cmd.Wait()
		} else if err := cmd.Wait(); err != nil { // it is read from the machine now, which takes no time that counts
			return fmt.Errorf("%s: %w: %s", name, err, said.String())
		}
	}
	if name == "nginx" {
		return listening(ctx, l.Client, at(8003), at(8004))
	}
	return listening(ctx, l.Client, at(8001), at(8002))
}

// listening waits until connections are taken at the places.
func listening(ctx context.Context, client *lab.Host, places ...netip.AddrPort) error {
	for _, place := range places {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			c, err := client.Dial(ctx, "tcp", place.String())
			if err == nil {
				c.Close()
				break
			}
			if time.Now().After(deadline) {
				return err
			}
		}
	}
	return nil
}

func haproxyConfig() string {
	server := directWay().to.String()
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

func nginxConfig() string {
	server := directWay().to.String()
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
