//go:build linux

package gallery

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// proofs names, for every function of the doctor that makes a fix, what runs that fix and
// looks whether it mends: cases of the gallery, or tests of package doctor, which run it
// on a host in memory or in a shell.
var proofs = map[string]string{
	"declarationProblem":   "loopback-alias-on-director TestFixesOfNetworkScripts",
	"dropper":              "networkd-drops-vip",
	"answersFor":           "arp-ignore-0 arp-ignore-lo-only arp-ignore-3",
	"asksAs":               "asks-as-vip asks-as-vip-on-link",
	"triedHere":            "director-asks-as-vip",
	"silentOn":             "TestARPNeighbours",
	"barriers.problems":    "input-drops input-drops-nft mangle-drops output-drops rip-only replies-dropped container-not-forwarded container-replies-dropped redirected-and-dropped",
	"modulesBoot":          "modules-file-removed",
	"lostOpenings.problem": "nft-file-closed TestFirewallBootFixes",
	"chosenAtBoot":         "TestFirewallBootOfUnit",
	"forbiddenModules":     "module-blacklisted",
	"bootReport.problems":  "sysctl-later-file sysctl-later-glob conntrack-at-boot TestFixesOfOneFile",
	"orphanConnections":    "taken-out-too-early",
	"due":                  "weight-by-hand server-by-hand scheduler-by-hand label-by-hand timeouts-by-hand unit-disabled unit-edited",
	"vipMissing":           "vip-missing-router-told-elsewhere",
	"directForwarding":     "masquerading",
	"rememberedRoute":      "route-remembered",
	"notRunning":           "TestSyncDaemons",
	"twoIDs":               "TestSyncDaemons",
	"flawProblem":          "TestFixesOfKeepalivedConf",
	"notInTable":           "keepalived-table-edited TestFixesOfKeepalivedTable",
	"unlikeFile":           "TestFixesOfKeepalivedTable",
	"dropsAdvert":          "vrrp-dropped two-masters",
	"portMapping":          "port-mapping",
	"ipv6Off":              "ipv6-off-on-lo",
	"ipvsSysctl":           "vs-conntrack no-estimation",
	"quietly":              "silent-by-noarp",
	"unusable":             "director-link-down director-noarp dead-real-server",
	"narrow":               "route-mtu",
	"merging":              "TestMergingIsSwitchedOff",
	"tableOwner":           "table-restored table-restored-with-others",
	"entryProblem":         "wrong-static-neighbour",
	"filtered":             "strict-two-legs",
	"filteredNear":         "routed-strict-leg",
	"roleAtBoot":           "sysctl-file-removed",
	"arpAtBoot":            "sysctl-in-no-file",
	"tableAtBoot":          "vs-sysctl-before-ip-vs",
	"keepalivedRuns":       "TestEngineKeepalived",
	"vrrpRuns":             "TestVRRP",
	"serviceThere":         "no-service second-service-gone",
	"noDestination":        "no-real-server all-weight-0 thresholds",
	"schedulerFallback":    "sh-without-fallback mh-without-fallback",
	"quiescentTemplate":    "drained-but-tied",
	"unitThere":            "unit-masked",
	"unitRefused":          "unit-refused",
	"unitProgram":          "unit-program-gone",
	"missing":              "vip-missing first-vip-missing second-vip-missing",
	"missingOnDirector":    "director-vip-gone hand-made-vip-gone",
	"claimOfServer":        "asks-as-vip-told-elsewhere",
	"notInUse":             "TestRealServerAddresses",
	"shown":                "vip-on-lan vip-on-lan-only vip6-dadfailed",
	"hidden":               "director-vip-on-both",
	"carriedElsewhere":     "director-vip-on-lo hand-made-vip-on-lo",
	"mute":                 "TestDirectorAddresses",
	"swallowed":            "wide-mask second-vip-wide TestRealServerAddresses",
	"secondWays":           "TestRealServerAddresses",
	"staleVIP":             "stale-neighbour static-neighbour",
	"speaksFrom":           "vip-first vip6-preferred",
	"realServerSources":    "real-server-speaks-as-vip",
}

// Every fix that the doctor's source makes has something that runs it.
func TestEveryFixIsRun(t *testing.T) {
	const source = "../../doctor"
	made, tests := fixesIn(t, source), testsIn(t, source)
	for _, name := range made {
		if proofs[name] == "" {
			t.Errorf("%s makes a fix: run it, and name here what does", name)
		}
		for _, proof := range strings.Fields(proofs[name]) {
			first := slices.ContainsFunc(Faults(), func(f Fault) bool { return f.Name == proof && (f.Heal == nil || f.Advised == "") })
			if !first && !slices.Contains(tests, proof) {
				t.Errorf("%s: %s is no fault and no test of the doctor", name, proof)
			}
		}
	}
	for name := range proofs {
		if !slices.Contains(made, name) {
			t.Errorf("%s makes no fix any more", name)
		}
	}
}

// fixesIn are the functions, and checks, that make a problem with a fix or give it one.
func fixesIn(t *testing.T, dir string) (names []string) {
	eachDeclaration(t, dir, false, func(name string, d ast.Node) {
		makes := false
		ast.Inspect(d, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				f, ok := n.Fun.(*ast.Ident)
				makes = makes || ok && (f.Name == "problem" || f.Name == "warning") && !isEmpty(n.Args[0])
			case *ast.AssignStmt:
				for i, to := range n.Lhs {
					field, ok := to.(*ast.SelectorExpr)
					makes = makes || ok && field.Sel.Name == "Fix" && (i >= len(n.Rhs) || !isEmpty(n.Rhs[i]))
				}
			case *ast.KeyValueExpr:
				key, ok := n.Key.(*ast.Ident)
				makes = makes || ok && key.Name == "Fix"
			}
			return true
		})
		if makes && !slices.Contains([]string{"problem", "warning", "Check.finding"}, name) {
			names = append(names, name)
		}
	})
	return names
}

func isEmpty(e ast.Expr) bool {
	text, ok := e.(*ast.BasicLit)
	return ok && text.Value == `""`
}

func testsIn(t *testing.T, dir string) (names []string) {
	eachDeclaration(t, dir, true, func(name string, _ ast.Node) { names = append(names, name) })
	return names
}

// receiver tells the methods of other types than the exam and its survey apart.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	of := strings.TrimPrefix(types.ExprString(d.Recv.List[0].Type), "*")
	if of == "Exam" || of == "survey" {
		return ""
	}
	return of + "."
}

// eachDeclaration calls f with every function and variable of a folder's Go files.
func eachDeclaration(t *testing.T, dir string, ofTests bool, f func(name string, d ast.Node)) {
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") != ofTests {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, file.Name()), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				f(receiver(d)+d.Name.Name, d)
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if v, ok := s.(*ast.ValueSpec); ok {
						f(v.Names[0].Name, v)
					}
				}
			}
		}
	}
}
