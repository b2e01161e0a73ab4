package ipvs_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/moby/ipvs"
	"golang.org/x/sys/unix"

	ours "github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// The benchmarks take a guest (they edit the table) and are meant for a machine
// that counts instructions: qemu -icount, or a User-Mode Linux for a look. Each
// iteration is one whole table; it is emptied outside the measured time.
//
//	go test -exec umlexec -run '^$' -bench . -benchtime 5x ./lvsdr/ipvs
//
// LVSDR_BENCH_SIZES ("1x2,100x10") chooses other sizes.

type size struct{ services, servers int }

func sizes(b *testing.B) []size {
	list := os.Getenv("LVSDR_BENCH_SIZES")
	if list == "" {
		list = "1x2,100x10,1x1000,1000x10"
	}
	var all []size
	for len(list) > 0 {
		var s size
		n, err := fmt.Sscanf(list, "%dx%d", &s.services, &s.servers)
		if n != 2 || err != nil {
			b.Fatalf("LVSDR_BENCH_SIZES: %q: %v", list, err)
		}
		all = append(all, s)
		list = list[min(len(list), len(fmt.Sprintf("%dx%d,", s.services, s.servers))):]
	}
	return all
}

// entries is a table of a size: services 10.<1..>.x.y:80, real servers below 10.0.
func (s size) entries() []ours.Entry {
	table := make([]ours.Entry, s.services)
	for i := range table {
		vip := netip.AddrFrom4([4]byte{10, byte(1 + i>>16), byte(i >> 8), byte(i)})
		table[i].Service = ours.Service{ID: ours.ID{Addr: vip, Port: 80, Protocol: ours.TCP}, Scheduler: "wrr",
			Flags: ours.Persistent, Persistence: 20 * time.Second, Netmask: 32}
		for k := range s.servers {
			rip := netip.AddrFrom4([4]byte{172, 16, byte(k >> 8), byte(k)})
			table[i].Destinations = append(table[i].Destinations,
				ours.Destination{Addr: rip, Port: 80, Forwarding: ours.DirectRoute, Weight: 1})
		}
	}
	return table
}

func flatten(table []ours.Entry) []ours.Command {
	var all []ours.Command
	for _, e := range table {
		all = append(all, adding(e)...)
	}
	return all
}

// eachSize runs a benchmark for every size.
func eachSize(b *testing.B, f func(b *testing.B, s size)) {
	needGuest(b)
	for _, s := range sizes(b) {
		b.Run(fmt.Sprintf("%dx%d", s.services, s.servers), func(b *testing.B) { f(b, s) })
	}
}

// program measures what open returns, which fills an empty table. Each iteration
// has a namespace of its own, because the kernel looks through the real servers
// removed in the last minutes for each one that is added.
func program(b *testing.B, s size, open func(c *ours.Client) (fill func() error)) {
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		c := guest(b)
		fill := open(c)
		b.StartTimer()
		err := fill()
		b.StopTimer()
		if err != nil {
			b.Fatal(err)
		}
		if got := table(b, c); len(got) != s.services || len(got[0].Destinations) != s.servers {
			b.Fatalf("the table has %d services", len(got))
		}
	}
}

func BenchmarkProgram(b *testing.B) {
	eachSize(b, func(b *testing.B, s size) {
		commands := flatten(s.entries())
		program(b, s, func(c *ours.Client) func() error {
			return func() error {
				_, err := c.Apply(b.Context(), commands)
				return err
			}
		})
	})
}

// BenchmarkProgramFloor sends the messages that ours sends, all built before,
// without any acknowledgement, and then one barrier.
func BenchmarkProgramFloor(b *testing.B) {
	eachSize(b, func(b *testing.B, s size) {
		commands := flatten(s.entries())
		program(b, s, func(*ours.Client) func() error { return newFloor(b, commands).send })
	})
}

// BenchmarkProgramMoby calls moby/ipvs once a service and real server.
func BenchmarkProgramMoby(b *testing.B) {
	eachSize(b, func(b *testing.B, s size) {
		var services []*ipvs.Service
		var servers [][]*ipvs.Destination
		for _, e := range s.entries() {
			services = append(services, mobyService(e.Service))
			var of []*ipvs.Destination
			for _, d := range e.Destinations {
				of = append(of, mobyDestination(d))
			}
			servers = append(servers, of)
		}
		program(b, s, func(*ours.Client) func() error {
			h := mobyHandle(b)
			return func() error { return programMoby(h, services, servers) }
		})
	})
}

func programMoby(h *ipvs.Handle, services []*ipvs.Service, servers [][]*ipvs.Destination) error {
	for i, s := range services {
		if err := h.NewService(s); err != nil {
			return err
		}
		for _, d := range servers[i] {
			if err := h.NewDestination(s, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// read measures what open returns, which reads the whole table and counts its
// real servers.
func read(b *testing.B, s size, open func(c *ours.Client) (all func() (int, error))) {
	c := guest(b)
	all := open(c)
	apply(b, c, flatten(s.entries())...)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if n, err := all(); err != nil || n != s.services*s.servers {
			b.Fatalf("%d real servers, %v", n, err)
		}
	}
}

func readTable(b *testing.B, detail ours.Detail) {
	eachSize(b, func(b *testing.B, s size) {
		read(b, s, func(c *ours.Client) func() (int, error) {
			return func() (n int, err error) {
				table, err := c.Table(b.Context(), detail)
				for _, e := range table {
					n += len(e.Destinations)
				}
				return n, err
			}
		})
	})
}

func BenchmarkRead(b *testing.B)          { readTable(b, ours.Plain) }
func BenchmarkReadWithStats(b *testing.B) { readTable(b, ours.WithStats) }

// BenchmarkReadOneByOne reads with a call a service.
func BenchmarkReadOneByOne(b *testing.B) {
	eachSize(b, func(b *testing.B, s size) {
		read(b, s, func(c *ours.Client) func() (int, error) {
			return func() (n int, err error) {
				services, err := c.Services(b.Context(), ours.Plain)
				for _, s := range services {
					list, err := c.Destinations(b.Context(), s.ID, ours.Plain)
					if err != nil {
						return 0, err
					}
					n += len(list)
				}
				return n, err
			}
		})
	})
}

func BenchmarkReadMoby(b *testing.B) {
	eachSize(b, func(b *testing.B, s size) {
		read(b, s, func(*ours.Client) func() (int, error) {
			h := mobyHandle(b)
			return func() (n int, err error) {
				services, err := h.GetServices()
				for _, s := range services {
					list, err := h.GetDestinations(s)
					if err != nil {
						return 0, err
					}
					n += len(list)
				}
				return n, err
			}
		})
	})
}

// floor is a raw generic netlink socket with batches built in advance.
type floor struct {
	fd      int
	batches [][]byte
	answer  [4096]byte
}

func newFloor(b *testing.B, commands []ours.Command) *floor {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.Close(fd) })
	batches, err := ours.Batches(commands)
	if err != nil {
		b.Fatal(err)
	}
	return &floor{fd: fd, batches: batches}
}

// send sends every batch and then a message that does nothing but be
// acknowledged.
func (f *floor) send() error {
	to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	for _, b := range f.batches {
		if err := unix.Sendto(f.fd, b, 0, to); err != nil {
			return err
		}
	}
	barrier := make([]byte, 16)
	binary.NativeEndian.PutUint32(barrier, 16)
	binary.NativeEndian.PutUint16(barrier[4:], unix.NLMSG_NOOP)
	binary.NativeEndian.PutUint16(barrier[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	if err := unix.Sendto(f.fd, barrier, 0, to); err != nil {
		return err
	}
	n, err := unix.Read(f.fd, f.answer[:])
	if err == nil && (n < 20 || binary.NativeEndian.Uint32(f.answer[16:]) != 0) {
		err = fmt.Errorf("a message was refused: %x", f.answer[:n])
	}
	return err
}
