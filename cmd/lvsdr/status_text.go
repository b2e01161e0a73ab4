package main

import (
	"fmt"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/status"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

func printStatus(o *output, st *status.Status) {
	if st.Role == "" && len(st.VIPs) == 0 && len(st.Services) == 0 {
		o.printf("nothing is set up: no role of lvsdr, no virtual service, no VIP")
		return
	}
	role := "none of lvsdr's"
	if st.Role != "" {
		role = spoken(st.Role)
	}
	o.printf("role      %s", role)
	if st.Engine != nil {
		state := "not running: real servers that die stay in the table"
		if st.Engine.Running {
			state = "running"
		}
		o.printf("engine    %s, %s", st.Engine.Name, state)
	}
	for _, d := range st.Sync {
		o.printf("sync      %s", d)
	}
	if st.VRRP != "" {
		o.printf("VRRP      %s", vrrpStates[st.VRRP])
	}
	for _, vip := range st.VIPs {
		o.printf("VIP       %s", vip)
	}
	if t := st.Timeouts; t != nil {
		o.printf("timeouts  tcp %ds, tcpfin %ds, udp %ds", t.TCP, t.TCPFin, t.UDP)
	}
	for _, service := range st.Services {
		o.printf("\n%s", serviceTitle(o, service))
		for _, line := range serverTable(service) {
			o.printf("    %s", line)
		}
	}
}

// vrrpStates tells what a director is.
var vrrpStates = map[string]string{
	step.VRRPMaster: "master", step.VRRPBackup: "backup: another director has the VIPs",
	step.VRRPPartly:  "master, without some of the VIPs",
	step.VRRPStopped: "not running: nobody takes the VIPs over, nor gives them up",
}

func serviceTitle(o *output, st status.Service) string {
	words := []string{o.paint(bold, st.String()), st.Scheduler}
	if st.Persistence > 0 {
		words = append(words, fmt.Sprintf("persistent %ds", st.Persistence))
	}
	if st.OnePacket {
		words = append(words, "one-packet")
	}
	return strings.Join(words, "  ")
}

// serverTable has a line for each real server.
func serverTable(st status.Service) []string {
	if len(st.RealServers) == 0 {
		return []string{"no real server"}
	}
	rows := [][]string{{"real server", "forward", "weight", "active", "inactive", "conn/s", "packets/s", "bytes/s"}}
	for _, r := range st.RealServers {
		rows = append(rows, []string{
			r.String(), r.Forwarding, fmt.Sprint(r.Weight), fmt.Sprint(r.Active), fmt.Sprint(r.Inactive),
			fmt.Sprint(r.Rates.Connections), fmt.Sprint(r.Rates.Packets), fmt.Sprint(r.Rates.Bytes),
		})
	}
	return align(rows, 2)
}

// align renders rows in columns, the first few to the left, numbers to the right.
func align(rows [][]string, left int) []string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		for j, cell := range row {
			if j < left {
				row[j] = fmt.Sprintf("%-*s", widths[j], cell)
			} else {
				row[j] = fmt.Sprintf("%*s", widths[j], cell)
			}
		}
		lines[i] = strings.Join(row, "  ")
	}
	return lines
}

// printTuning has two lines a note.
func printTuning(o *output, notes []status.Note) {
	if len(notes) == 0 {
		o.printf("\ntuning    nothing to note")
		return
	}
	o.printf("")
	for _, n := range notes {
		o.printf("tuning    %s: %s (noted above %d)", o.paint(yellow, n.About), n.Text, n.Threshold)
		o.printf("          %s", n.Command)
	}
}
