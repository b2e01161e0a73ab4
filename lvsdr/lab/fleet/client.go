//go:build linux

package fleet

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/linux"
)

// A Client is a host on the LAN without a systemd: this program itself, in a network
// namespace of the fleet. What it sees is judged from outside the machines.
type Client struct {
	Name    string
	Address netip.Prefix
	MAC     net.HardwareAddr

	fleet *Fleet
	netns *os.File
}

// Client adds one to the LAN.
func (f *Fleet) Client(ctx context.Context, name string, address netip.Prefix) (*Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.free(name); err != nil {
		return nil, err
	}
	c := &Client{Name: name, Address: address, MAC: f.nextMAC(), fleet: f}
	err := f.cable(ctx, name, c.MAC)
	if err == nil {
		const script = `set -e
ip -n "$1" link set lo up
ip -n "$1" link set eth0 up
ip -n "$1" address add "$2" dev eth0`
		_, err = f.keeper.run(ctx, "sh", "-c", script, "sh", name, address.String())
	}
	if err == nil {
		c.netns, err = os.Open(f.keeper.path("/run/netns", name))
	}
	if err != nil {
		return nil, fmt.Errorf("fleet: client %s: %w", name, err)
	}
	f.clients = append(f.clients, c)
	return c, nil
}

// Do calls f on a thread in the client's network namespace. What f opens there stays
// the client's wherever it is used.
func (c *Client) Do(f func() error) error {
	return linux.OnThread(func() error {
		if err := unix.Setns(int(c.netns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("fleet: entering %s: %w", c.Name, err)
		}
		return f()
	})
}

// Run runs a program on the client, with the files of this machine, and returns its
// stdout.
func (c *Client) Run(ctx context.Context, name string, args ...string) (string, error) {
	return c.fleet.keeper.run(ctx, "ip", append([]string{"netns", "exec", c.Name, name}, args...)...)
}

// Director has the client send what is for addr to the machine's MAC address, as a
// director does with what it forwards: by a neighbour entry that is permanent. What
// the machine answers shows its half of direct routing.
func (c *Client) Director(ctx context.Context, addr netip.Addr, m *Machine) error {
	_, err := c.Run(ctx, "ip", "neigh", "replace", addr.String(), "lladdr", m.MAC.String(), "dev", "eth0", "nud", "permanent")
	if err == nil && !c.Address.Contains(addr) {
		_, err = c.Run(ctx, "ip", "route", "replace", addr.String(), "dev", "eth0")
	}
	return err
}

// Claims is the MAC address that answers ARP for addr, empty when nobody does within
// a second. It is to be one that [Client.Director] was not told of.
func (c *Client) Claims(ctx context.Context, addr netip.Addr) (string, error) {
	c.Run(ctx, "ip", "neigh", "del", addr.String(), "dev", "eth0") // there may be none
	conn, err := c.Dial(ctx, "udp", netip.AddrPortFrom(addr, 9).String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.Write([]byte{0}) // now the kernel asks
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		// "10.10.10.22 dev eth0 lladdr 02:00:00:f1:00:01 REACHABLE"
		out, err := c.Run(ctx, "ip", "neigh", "show", addr.String(), "dev", "eth0")
		if err != nil {
			return "", err
		}
		words := strings.Fields(out)
		if i := slices.Index(words, "lladdr"); i >= 0 && i+1 < len(words) {
			return words[i+1], nil
		}
	}
	return "", nil
}

// Dial connects from the client; it has the form of [net.Dialer.DialContext].
func (c *Client) Dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	if _, err := netip.ParseAddrPort(addr); err != nil {
		return nil, err // there is no name server
	}
	var d net.Dialer
	err = c.Do(func() error {
		conn, err = d.DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// GetTimeout is what a request has when its context sets no deadline.
const GetTimeout = 3 * time.Second

// Get requests a URL over a fresh connection and returns the body without its last
// newline: from a machine's nginx, its name.
func (c *Client) Get(ctx context.Context, url string) (string, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, GetTimeout)
		defer cancel()
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: c.Dial}}
	return get(ctx, &client, url)
}

func get(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, response.Status)
	}
	return strings.TrimSuffix(string(body), "\n"), err
}
