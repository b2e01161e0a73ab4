package status

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// What a CPU does with packets is the same for all network namespaces, and so are the
// sysctls, which only the machine's own has.

// The columns of /proc/net/softnet_stat.
const (
	dropped  = 1
	squeezed = 2
)

// softnet sums a column of /proc/net/softnet_stat, a line a CPU
// (net/core/net-procfs.c).
func (t *tuner) softnet(column int) (sum uint64, err error) {
	data, err := t.host.Files.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) <= column {
			return 0, fmt.Errorf("/proc/net/softnet_stat: %q", line)
		}
		n, err := strconv.ParseUint(f[column], 16, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/net/softnet_stat: %w", err)
		}
		sum += n
	}
	return sum, nil
}

// received is how many packets have come in by all interfaces but the loopback
// (/proc/net/dev). That of softnet_stat begins anew after 2^32.
func (t *tuner) received() (sum uint64, err error) {
	data, err := t.host.Files.ReadFile("/proc/net/dev")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		name, rest, found := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if !found || len(f) < 2 || strings.TrimSpace(name) == "lo" {
			continue // the head
		}
		n, err := strconv.ParseUint(f[1], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/net/dev: %w", err)
		}
		sum += n
	}
	return sum, nil
}

// mostBacklog and mostBudget are what the notes go up to: with more, packets wait longer and
// programs get less of the CPU, which then has too much to do.
const (
	mostBacklog = 16_000
	mostBudget  = 1200
)

// softnetDrops: what a driver without NAPI, packet steering or a virtual interface hands a
// CPU waits in its backlog.
func softnetDrops(_ context.Context, t *tuner) ([]Note, error) {
	n, err := t.softnet(dropped)
	if err != nil || n == 0 {
		return nil, err
	}
	backlog, err := t.number("net/core/netdev_max_backlog")
	if err != nil || backlog >= mostBacklog {
		return nil, err
	}
	return []Note{{"softnet-drops", fmt.Sprintf("%d packets were dropped since the start because a CPU had more than %d waiting; look whether the number still grows", n, backlog),
		n, 0, fmt.Sprintf("sysctl -w net.core.netdev_max_backlog=%d", min(4*backlog, mostBacklog))}}, nil
}

// softnetSqueezes: the CPU had more packets to take than its turn allowed, by number or
// time, more than once in a thousand packets.
func softnetSqueezes(_ context.Context, t *tuner) ([]Note, error) {
	n, err := t.softnet(squeezed)
	if err != nil {
		return nil, err
	}
	all, err := t.received()
	if err != nil || n <= all/1000 {
		return nil, err
	}
	budget, err := t.number("net/core/netdev_budget")
	if err != nil || budget >= mostBudget {
		return nil, err
	}
	command := fmt.Sprintf("sysctl -w net.core.netdev_budget=%d", min(2*budget, mostBudget))
	period, err := t.number("net/core/netdev_budget_usecs")
	if err == nil {
		command += fmt.Sprintf(" net.core.netdev_budget_usecs=%d", 2*period)
	} else if !errors.Is(err, fs.ErrNotExist) { // it is there since 4.12
		return nil, err
	}
	return []Note{{"softnet-budget", fmt.Sprintf("a CPU's turn at the network ended %d times with packets left, for %d packets in all since the start", n, all),
		n, all / 1000, command}}, nil
}
