package main

import (
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/units"
)

// The headings of the flags in help.
const (
	clusterFlags = "The cluster"
	hostFlags    = "This host"
	outputFlags  = "Output"
)

// defaultConfig is used when it exists and no flag describes the service.
const defaultConfig = units.ConfigFile

// planFlags are the flags of plan.
func planFlags() []cli.Flag {
	return append(teardownFlags(), verifyFlag(), installFlag())
}

// teardownFlags are the flags of teardown.
func teardownFlags() []cli.Flag {
	return slices.Concat(serviceFlags(), thisHostFlags(), changeFlags(), []cli.Flag{rootFlag()}, messageFlags())
}

// roleFlags are the flags of units. They are made anew for each
// command because urfave/cli keeps the values in them.
func roleFlags() []cli.Flag {
	return slices.Concat(serviceFlags(), thisHostFlags(), changeFlags(), []cli.Flag{verifyFlag()}, messageFlags())
}

// allUnitsFlag has units print those that the role's unit wants, too.
func allUnitsFlag() cli.Flag {
	return &cli.BoolFlag{Name: "all", Usage: "the units that it wants, too, each below the name of its file"}
}

// setupFlags are the flags of setup.
func setupFlags() []cli.Flag {
	return slices.Concat(serviceFlags(), thisHostFlags(), changeFlags(), []cli.Flag{verifyFlag(), rootFlag(), passiveFlag(), forceFlag(), installFlag(), reassertFlag()}, messageFlags())
}

// trimmed is for flags whose values may be several in a word: "-r ADDR, ADDR".
var trimmed = cli.StringConfig{TrimSpace: true}

// serviceFlags describe the service, as the configuration file does: with a file
// they are refused.
func serviceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Config: trimmed, Name: "vip", Category: clusterFlags,
			Usage: "`ADDR` the virtual IP; repeatable"},
		&cli.StringSliceFlag{Config: trimmed, Name: "port", Aliases: []string{"p"}, Category: clusterFlags,
			Usage: "`PORT[/PROTO]` the port that is balanced: 80, 53/udp, 2905/sctp; repeatable (default: 80)"},
		&cli.StringSliceFlag{Config: trimmed, Name: "real-server", Aliases: []string{"r"}, Category: clusterFlags,
			Usage: "`ADDR[=WEIGHT]` a real server and its share; repeatable, required for a director (default weight: 1)"},
		&cli.StringSliceFlag{Config: trimmed, Name: "drained", Category: clusterFlags,
			Usage: "`ADDR` this real server gets no new connections, see lvsdr drain; repeatable"},
		&cli.StringFlag{Name: "scheduler", Aliases: []string{"s"}, Category: clusterFlags,
			Usage: "`NAME` the scheduler, as in ipvsadm(8): rr, wrr, lc, wlc, sh, mh, … (default: wrr)"},
		&cli.StringFlag{Name: "scheduler-flags", Category: clusterFlags,
			Usage: "`LIST` the scheduler's flags, as in ipvsadm -b: sh-port,sh-fallback or mh-port,mh-fallback"},
		&cli.StringFlag{Name: "persistence", Category: clusterFlags,
			Usage: "`DURATION` how long a client stays with its real server: 20s; 0 is none (default: none)"},
		&cli.StringFlag{Name: "persistence-netmask", Category: clusterFlags,
			Usage: "`LENGTH` the prefix that makes clients one client, as in ipvsadm -M (default: every address its own)"},
		&cli.BoolFlag{Name: "one-packet", Category: clusterFlags,
			Usage: "schedule every UDP datagram on its own, as ipvsadm -o"},
		&cli.StringFlag{Name: "timeouts", Category: clusterFlags,
			Usage: "`TCP,TCPFIN,UDP` IPVS's connection timeouts: 30s,5s,60s; 0 leaves one alone (default: leave the kernel's)"},
		&cli.StringFlag{Name: "drain", Category: clusterFlags,
			Usage: "`DURATION` how long a removed real server may keep its connections (default: 30s)"},
	}
}

// thisHostFlags are about this host only, so they go with a file as well.
func thisHostFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "config", Aliases: []string{"c"}, Category: clusterFlags,
			Usage: "`FILE` the cluster as YAML instead of the flags above (default: " + defaultConfig + " when it exists and none of them is given)"},
		&cli.StringFlag{Name: "interface", Aliases: []string{"i"}, Category: hostFlags,
			Usage: "`NAME` the LAN interface that carries the VIP on a director (default: the one whose subnet holds the VIP, or whose route reaches the real servers)"},
		&cli.StringSliceFlag{Config: trimmed, Name: "arp-interface", Category: hostFlags,
			Usage: "`NAME` be silent for the VIP on this LAN interface of a real server alone, or on all; repeatable (default: all)"},
		&cli.StringSliceFlag{Config: trimmed, Name: "address", Category: hostFlags,
			Usage: "`ADDR` which of the file's real servers this host is; repeatable (default: those whose address it has)"},
		&cli.StringFlag{Name: "firewall", Category: hostFlags,
			Usage: "`NAME` who opens the ports: auto, firewalld, ufw, nftables, iptables or none (default: auto)"},
		&cli.StringSliceFlag{Config: trimmed, Name: "ignore", Category: hostFlags,
			Usage: "`CODE` count what this check finds as a warning, see lvsdr explain CODE; repeatable"},
	}
}

// changeFlags go with the commands that change hosts.
func changeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "runtime", Category: hostFlags,
			Usage: "change the running host only; write nothing that outlives a reboot"},
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Category: hostFlags,
			Usage: "print the changes, make none"},
	}
}

func verifyFlag() cli.Flag {
	return &cli.StringFlag{Name: "verify", Category: hostFlags,
		Usage: "`DURATION` how often systemd brings this host back to its role by itself; 0 is never (default: " + units.DefaultVerify.String() + ")"}
}

func reassertFlag() cli.Flag {
	return &cli.BoolFlag{Name: "reassert", Category: hostFlags,
		Usage: "do what this host's unit says, print nothing where nothing is due, as lvsdr-verify.service has it; with --runtime"}
}

func passiveFlag() cli.Flag {
	return &cli.BoolFlag{Name: "passive", Category: hostFlags,
		Usage: "put nothing on the wire: look at this host only, not at the others"}
}

func forceFlag() cli.Flag {
	return &cli.BoolFlag{Name: "force", Category: hostFlags,
		Usage: "cut the connections of what is taken out or replaced, instead of waiting for their end"}
}

func installFlag() cli.Flag {
	return &cli.BoolFlag{Name: "install", Category: hostFlags,
		Usage: "install the package that is missing, keepalived, by apt-get, dnf or zypper"}
}

func messageFlags() []cli.Flag {
	return append([]cli.Flag{outputFlag()}, quietFlags()...)
}

func quietFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: outputFlags,
			Usage: "print no summary and no warnings; after setup and teardown nothing but errors"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: outputFlags,
			Usage: "tell on stderr what is read and looked at"},
	}
}

func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: outputFlags,
		Usage: "`FORMAT` text or json (default: text)"}
}
