//go:build linux

package lab_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// A director's keepalived.conf as people pass it on, imported and set up, serves from both
// real servers; and when one dies keepalived mails it to whom that file says.
func TestKeepalivedConfServes(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS, lab.Ipvsadm, lab.Keepalived)
	const file = "../keepalived/testdata/mission.conf"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := keepalived.Parse(file, text, keepalived.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := conf.Cluster()
	if err := c.Validate(cluster.DirectorRole); err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	serve(t, l.RealServers[0])
	page, err := l.RealServers[1].ServeHTTP(":80")
	if err != nil {
		t.Fatal(err)
	}
	mails := mailbox(t, l, "192.168.200.1")
	setUp(t, l, c)
	defer giveBack(t, l, c)
	waitFor(t, l, "10.10.10.22", map[string]int{"dev-2": 2, "dev-3": 2})
	if plan := direct(t, l, c); len(plan) > 0 {
		t.Errorf("set up again: %v", plan)
	}
	page.Close()
	waitFor(t, l, "10.10.10.22", map[string]int{"dev-2": 4})
	down := mailOf(t, mails, "Realserver [10.10.10.32]:tcp:80", "DOWN")
	for _, part := range []string{"RCPT TO:<ops@example.org>", "MAIL FROM:<lvs@example.org>"} {
		if !strings.Contains(down, part) {
			t.Errorf("the mail lacks %q:\n%s", part, down)
		}
	}
}

// mailOf waits for a mail that has these parts.
func mailOf(t *testing.T, mails <-chan string, parts ...string) string {
	t.Helper()
	over := time.After(20 * time.Second)
	for {
		select {
		case mail := <-mails:
			t.Log(strings.Join(regexp.MustCompile("(?m)^Subject: .*$").FindAllString(mail, 1), ""))
			if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(mail, part) }) {
				return mail
			}
		case <-over:
			t.Fatalf("no mail of %q came", parts)
		}
	}
}

// mailbox takes mails at an address that the director reaches by way of the client.
func mailbox(t *testing.T, l *lab.Lab, addr string) <-chan string {
	t.Helper()
	sh(t, l.Client, "ip addr add "+addr+"/32 dev lo")
	sh(t, l.Director, "ip route add "+addr+" via 10.10.10.100")
	listener, err := l.Client.Listen(t.Context(), "tcp", addr+":25")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	mails := make(chan string, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { mails <- take(conn) }()
		}
	}()
	return mails
}

// take has the server's part of a conversation by SMTP, and returns the client's.
func take(conn net.Conn) string {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, "220 mail.example.org\r\n")
	var said strings.Builder
	within := false // a mail
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		line := strings.TrimRight(lines.Text(), "\r")
		said.WriteString(line + "\n")
		switch {
		case within && line != ".":
		case line == "DATA":
			within = true
			fmt.Fprint(conn, "354 go on\r\n")
		case line == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return said.String()
		default:
			within = false
			fmt.Fprint(conn, "250 ok\r\n")
		}
	}
	return said.String()
}
