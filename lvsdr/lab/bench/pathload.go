//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// The client and the server of the path part, and the clients of the changes part, are processes of their own, this program
// by another name, that do nothing but make and answer requests: one thread each, which
// sleeps in the kernel, and no garbage collector, so that what is measured differs
// little from one run to the next.

// What the client does.
const (
	pathClients  = 8    // connections, with a request each before the first answer is read
	pathRequests = 1000 // measured, after a batch that warms up
	pathBatches  = 5    // of which the middle one counts
)

// pathRole is the variable that makes this program one of them.
const pathRole = "LVSDR_BENCH_ROLE"

// pathProcess is what this program does under its other names.
func pathProcess(role string, args []string) error {
	debug.SetGCPercent(-1)
	runtime.LockOSThread()
	if role == "server" {
		return answerAll()
	}
	to, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	if role == "load" {
		return visit(to)
	}
	return askAll(to, args[1], args[2] == "kept")
}

// startServer starts the server on a real server, at port 80 of all its addresses. It
// ends with the context.
func startServer(ctx context.Context, h *lab.Host) error {
	cmd := pathCommand(ctx, "server")
	if err := h.Start(cmd); err != nil {
		return err
	}
	go cmd.Wait()
	return nil
}

func pathCommand(ctx context.Context, role string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), pathRole+"="+role, "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	return cmd
}

// A pathClient is a process with connections, open before it is measured where they are
// kept.
type pathClient struct {
	cmd   *exec.Cmd
	start io.WriteCloser
	out   *bufio.Reader
}

// openClient starts a client; its connections are open, and have had a request each, when
// it returns.
func openClient(ctx context.Context, client *lab.Host, to netip.AddrPort, kind pathKind) (*pathClient, error) {
	kept := "new"
	if kind.keep {
		kept = "kept"
	}
	c := &pathClient{cmd: pathCommand(ctx, "client", to.String(), strconv.Itoa(kind.bytes), kept)}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if c.start, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := client.Start(c.cmd); err != nil {
		return nil, err
	}
	if line, err := c.out.ReadString('\n'); line != isOpen {
		return nil, fmt.Errorf("the client says %q: %w", line, errors.Join(err, c.cmd.Wait()))
	}
	return c, nil
}

// isOpen is what a client says when its connections are.
const isOpen = "open\n"

// perRequest is the time that one request takes, of many: that of the middle batch. The
// client ends; where there is none yet, one is opened.
func (c *pathClient) perRequest(ctx context.Context, client *lab.Host, to netip.AddrPort, kind pathKind) (each time.Duration, err error) {
	if c == nil {
		if c, err = openClient(ctx, client, to, kind); err != nil {
			return 0, err
		}
	}
	if err := c.start.Close(); err != nil {
		return 0, err
	}
	said, err := io.ReadAll(c.out)
	if err := errors.Join(err, c.cmd.Wait()); err != nil {
		return 0, err
	}
	var batches []int
	for _, word := range strings.Fields(string(said)) {
		n, err := strconv.Atoi(word)
		if err != nil {
			return 0, err
		}
		batches = append(batches, n)
	}
	if len(batches) != pathBatches {
		return 0, fmt.Errorf("the client says %q", said)
	}
	slices.Sort(batches)
	return time.Duration(batches[pathBatches/2]) * pathBatches / pathRequests, nil
}

// askAll prints how many nanoseconds each batch of requests took, when it is told to by
// the end of its stdin.
func askAll(to netip.AddrPort, size string, keep bool) error {
	a := asker{
		address: unix.RawSockaddrInet4{Family: unix.AF_INET, Port: to.Port()<<8 | to.Port()>>8, Addr: to.Addr().As4()},
		text:    []byte("GET /" + size + " HTTP/1.1\r\nHost: cluster\r\n\r\n"), buffer: make([]byte, 64<<10), keep: keep,
	}
	if err := a.round(); err != nil {
		return fmt.Errorf("%v: %w", to, err)
	}
	fmt.Print(isOpen)
	if n, err := readSome(0, a.buffer); n != 0 || err != nil {
		return fmt.Errorf("stdin: %d bytes, %w", n, err)
	}
	for i := range pathBatches + 1 {
		start := time.Now()
		for range pathRequests / pathBatches / pathClients {
			if err := a.round(); err != nil {
				return fmt.Errorf("%v: %w", to, err)
			}
		}
		if i > 0 {
			fmt.Println(time.Since(start).Nanoseconds())
		}
	}
	return nil
}

// An asker is a client with its connections.
type asker struct {
	address      unix.RawSockaddrInet4
	text, buffer []byte
	keep         bool
	open         []int
}

// round makes a request on each connection, and then reads the answers.
func (a *asker) round() error {
	for len(a.open) < pathClients {
		fd, err := call(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if _, err := call(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&a.address)), unsafe.Sizeof(a.address)); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		a.open = append(a.open, fd)
	}
	for _, fd := range a.open {
		if err := writeAll(fd, a.text); err != nil {
			return fmt.Errorf("request: %w", err)
		}
	}
	for _, fd := range a.open {
		if err := a.answer(fd); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
	if !a.keep {
		for _, fd := range a.open {
			if _, err := call(unix.SYS_CLOSE, uintptr(fd), 0, 0); err != nil {
				return err
			}
		}
		a.open = a.open[:0]
	}
	return nil
}

// answer reads an answer, which says its length.
func (a *asker) answer(fd int) error {
	have, want := 0, -1
	for want < 0 || have < want {
		n, err := readSome(fd, a.buffer[have:])
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("the server hung up after %q", a.buffer[:have])
		}
		have += n
		if want < 0 {
			want = wholeLength(a.buffer[:have])
		}
	}
	if !bytes.HasPrefix(a.buffer, []byte("HTTP/1.1 200 ")) || have != want {
		return fmt.Errorf("%d bytes, not %d: %.200q", have, want, a.buffer[:have])
	}
	return nil
}

// wholeLength is how long an answer is by its head, -1 while that is not whole. The proxies
// write the header's name in their own way.
func wholeLength(answer []byte) int {
	end := bytes.Index(answer, []byte("\r\n\r\n"))
	if end < 0 {
		return -1
	}
	for _, name := range []string{"\r\nContent-Length: ", "\r\ncontent-length: "} {
		if _, rest, found := bytes.Cut(answer[:end], []byte(name)); found {
			n := 0
			for _, c := range rest {
				if c < '0' || c > '9' {
					break
				}
				n = 10*n + int(c-'0')
			}
			return end + 4 + n
		}
	}
	return end + 4
}

// answerAll answers GET /N with N bytes.
func answerAll() error {
	listener, err := listenPlain(80)
	if err != nil {
		return err
	}
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	watch := func(fd int) error {
		return unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	}
	if err := watch(listener); err != nil {
		return err
	}
	s := byteServer{body: bytes.Repeat([]byte("x"), 16<<10), buffer: make([]byte, 16<<10), answers: map[int][]byte{}}
	events := make([]unix.EpollEvent, 64)
	for {
		n, err := call6(unix.SYS_EPOLL_PWAIT, uintptr(poll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), ^uintptr(0))
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			fd := int(e.Fd)
			if fd != listener {
				s.serve(fd)
				continue
			}
			fd, err := call(unix.SYS_ACCEPT, uintptr(listener), 0, 0)
			if err != nil {
				continue // the client is gone
			}
			if err := watch(fd); err != nil {
				return err
			}
		}
	}
}

// listenPlain listens with room for a whole answer in each connection, so that a write
// takes all of it at once.
func listenPlain(port int) (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, err
	}
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}, {unix.SOL_SOCKET, unix.SO_SNDBUF, 128 << 10}, {unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return 0, err
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port}); err != nil {
		return 0, err
	}
	return fd, unix.Listen(fd, 1000)
}

// A byteServer answers, each connection's request at once: none comes in pieces here.
type byteServer struct {
	body, buffer []byte
	answers      map[int][]byte
}

func (s *byteServer) serve(fd int) {
	n, err := readSome(fd, s.buffer)
	if err != nil || n == 0 {
		call(unix.SYS_CLOSE, uintptr(fd), 0, 0)
		return
	}
	request := s.buffer[:n]
	size := 0
	for _, c := range bytes.TrimPrefix(request, []byte("GET /")) {
		if c < '0' || c > '9' {
			break
		}
		size = 10*size + int(c-'0')
	}
	err = writeAll(fd, s.answer(min(size, len(s.body))))
	if err != nil || bytes.Contains(request, []byte("HTTP/1.0")) || bytes.Contains(request, []byte("onnection: close")) {
		call(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	}
}

func (s *byteServer) answer(size int) []byte {
	if s.answers[size] == nil {
		s.answers[size] = append([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: "+strconv.Itoa(size)+"\r\n\r\n"), s.body[:size]...)
	}
	return s.answers[size]
}

func readSome(fd int, into []byte) (int, error) {
	return call(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&into[0])), uintptr(len(into)))
}

func writeAll(fd int, text []byte) error {
	n, err := call(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&text[0])), uintptr(len(text)))
	if err == nil && n != len(text) {
		err = fmt.Errorf("wrote %d bytes of %d", n, len(text))
	}
	return err
}

// call makes a system call without telling Go's scheduler, which would look every twenty
// microseconds whether it has returned.
func call(number, a, b, c uintptr) (int, error) { return call6(number, a, b, c, 0) }

func call6(number, a, b, c, d uintptr) (int, error) {
	n, _, err := unix.RawSyscall6(number, a, b, c, d, 0, 0)
	if err != 0 {
		return -1, err
	}
	return int(n), nil
}
