//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// What the client of the traffic part does.
const (
	connections = 200                   // kept at any time, each with a request in flight
	requests    = 4                     // a connection's life; then the next begins
	events      = 100                   // changes of the table
	pause       = 50 * time.Millisecond // after a failure, before the next connection
)

// traffic counts the requests that fail while the table changes: by lvsdr's set-up
// in place, and by flush and restore.
func traffic(ctx context.Context, b *bench) error {
	if err := raiseFiles(); err != nil {
		return err
	}
	b.report.table(fmt.Sprintf("%d changes of weights and real servers, %d connections of %d requests each through the VIP all the while",
		events, connections, requests), "how", "requests", "failed", "failed a change")
	for _, how := range []struct {
		name   string
		change func(context.Context, *lab.Host, cluster.Config) error
	}{
		{"set-up by lvsdr", bySetUp},
		{"`ipvsadm -C; ipvsadm -R`", byRestore},
	} {
		done, failed, err := underLoad(ctx, how.change)
		if err != nil {
			return fmt.Errorf("%s: %w", how.name, err)
		}
		b.report.row(how.name, fmt.Sprint(done), fmt.Sprint(failed), fmt.Sprintf("%.2f", float64(failed)/events))
	}
	return nil
}

// raiseFiles lets this process open as many files as the kernel allows: client and
// servers are in it, and of a connection that the director has forgotten the server
// keeps its end.
func raiseFiles() error {
	text, err := os.ReadFile("/proc/sys/fs/nr_open")
	if err != nil {
		return err
	}
	most, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: most}); err != nil {
		return fmt.Errorf("allow %d open files: %w", most, err)
	}
	return nil
}

// underLoad makes the changes under a client's load and counts its requests.
func underLoad(ctx context.Context, change func(context.Context, *lab.Host, cluster.Config) error) (done, failed int64, err error) {
	l, err := lab.NewWith(ctx, 4)
	if err != nil {
		return 0, 0, err
	}
	defer l.Close()
	if err := setUpLab(ctx, l); err != nil {
		return 0, 0, err
	}
	load := startLoad(l.Client)
	if err := load.warm(ctx); err != nil {
		load.stop()
		return 0, 0, err
	}
	for i := range events {
		if err := change(ctx, l.Director, event(l, i)); err != nil {
			load.stop()
			return 0, 0, err
		}
	}
	load.stop()
	return load.done.Load(), load.failed.Load(), nil
}

// event is the configuration after change i: the weights differ from the last
// one's, and every other change takes a real server out or back in.
func event(l *lab.Lab, i int) cluster.Config {
	drain := cluster.Duration(30 * time.Second)
	c := cluster.Config{Drain: &drain, Services: []cluster.Service{{VIP: lab.VIP}}}
	for k, h := range l.RealServers {
		if i%2 == 1 && k == i/2%len(l.RealServers) {
			continue
		}
		weight := 1 + (i+k)%3
		c.Services[0].RealServers = append(c.Services[0].RealServers, cluster.RealServer{Address: h.IPv4.Addr(), Weight: &weight})
	}
	return c
}

// setUpLab sets up all hosts, with a server on each real server.
func setUpLab(ctx context.Context, l *lab.Lab) error {
	for _, h := range l.RealServers {
		if _, err := h.ServeHTTP(":80"); err != nil {
			return err
		}
	}
	return setUpHosts(ctx, l)
}

func setUpHosts(ctx context.Context, l *lab.Lab) error {
	rs, err := lvsdr.RealServer(event(l, 0))
	if err != nil {
		return err
	}
	for _, h := range l.RealServers {
		if err := h.Do(func() error { _, err := rs.Apply(ctx, lvsdr.Local(), step.Present); return err }); err != nil {
			return err
		}
	}
	return bySetUp(ctx, l.Director, event(l, 0))
}

func bySetUp(ctx context.Context, h *lab.Host, c cluster.Config) error {
	role, err := lvsdr.Director(c)
	if err != nil {
		return err
	}
	return h.Do(func() error { _, err := role.Apply(ctx, lvsdr.Local(), step.Present); return err })
}

func byRestore(ctx context.Context, h *lab.Host, c cluster.Config) error {
	rules := fmt.Sprintf("-A -t %s:80 -s wrr\n", lab.VIP)
	for _, s := range c.Services[0].RealServers {
		rules += fmt.Sprintf("-a -t %s:80 -r %s:80 -g -w %d\n", lab.VIP, s.Address, *s.Weight)
	}
	if err := h.Do(func() error { return writeFile("/run/rules", rules) }); err != nil {
		return err
	}
	out, err := h.Run(ctx, "sh", "-c", "ipvsadm -C; ipvsadm -R < /run/rules")
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// A load is a client with its connections.
type load struct {
	client       *lab.Host
	done, failed atomic.Int64
	end          chan struct{}
	all          sync.WaitGroup
}

func startLoad(client *lab.Host) *load {
	l := &load{client: client, end: make(chan struct{})}
	for range connections {
		l.all.Add(1)
		go func() {
			defer l.all.Done()
			for !l.ended() {
				if err := l.connection(); err != nil {
					l.failed.Add(1)
					time.Sleep(pause)
				}
			}
		}()
	}
	return l
}

func (l *load) ended() bool {
	select {
	case <-l.end:
		return true
	default:
		return false
	}
}

func (l *load) stop() {
	close(l.end)
	l.all.Wait()
}

// warm waits until every connection may have had its turn.
func (l *load) warm(ctx context.Context) error {
	for deadline := time.Now().Add(2 * time.Minute); l.done.Load() < connections; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return errors.New("the cluster does not serve")
		}
	}
	return nil
}

// connection is the life of one connection. A request that has no answer within
// twenty seconds, or is refused or reset, has failed, and its connection with it.
func (l *load) connection() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := l.client.Dial(ctx, "tcp", netip.AddrPortFrom(lab.VIP, 80).String())
	if err != nil {
		return err
	}
	defer c.Close()
	answers := bufio.NewReader(c)
	for range requests {
		c.SetDeadline(time.Now().Add(20 * time.Second))
		if err := request(c, answers); err != nil {
			return err
		}
		l.done.Add(1)
	}
	return nil
}

func request(c net.Conn, answers *bufio.Reader) error { return requestPath(c, answers, "/") }

func requestPath(c net.Conn, answers *bufio.Reader, path string) error {
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: cluster\r\n\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(answers, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}
