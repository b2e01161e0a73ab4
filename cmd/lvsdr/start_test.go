package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// No regular expression is made before main: those of one check of one role took more
// than the whole of "lvsdr version" otherwise. sync.OnceValue makes them at their use.
func TestNoPatternIsMadeAtStart(t *testing.T) {
	files := 0
	for _, root := range []string{".", "../../lvsdr", "../../units"} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "lab" || d.Name() == "testdata"):
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			files++
			return patternsAtStart(t, name)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Errorf("looked at %d files only", files)
	}
}

// patternsAtStart reports regular expressions outside of functions.
func patternsAtStart(t *testing.T, name string) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl, *ast.FuncLit:
			return false
		case *ast.SelectorExpr:
			if of, ok := n.X.(*ast.Ident); ok && of.Name == "regexp" && strings.HasPrefix(n.Sel.Name, "MustCompile") {
				t.Errorf("%s: a regular expression is made at each start", set.Position(n.Pos()))
			}
		}
		return true
	})
	return nil
}
