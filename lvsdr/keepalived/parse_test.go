package keepalived

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// files are those that an include reaches.
type files map[string]string

func (f files) options(id string) Options {
	return Options{
		ID: id,
		ReadFile: func(name string) ([]byte, error) {
			text, ok := f[name]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			if text == "secret" {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
			}
			return []byte(text), nil
		},
		Glob: func(pattern string) ([]string, error) {
			var names []string
			for name := range maps.Keys(f) {
				ok, err := filepath.Match(pattern, name)
				if err != nil {
					return nil, err
				}
				if ok {
					names = append(names, name)
				}
			}
			return names, nil
		},
	}
}

// TestParse reads what users write; want is the same, written out.
func TestParse(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"comments", "! above\na 1 # beside\n\n## b\nb!c\n", "# above\na 1 # beside\n\n# # b\nb # c\n"},
		{"one line", "vs x 80{ rs y { weight 1 } } # end\nc", "vs x 80 { # end\n    rs y {\n        weight 1\n    }\n}\n\nc\n"},
		{"brace below", "vs x 80 # v\n{\n a\n}\n", "vs x 80 { # v\n    a\n}\n"},
		{"empty block", "a { }\n", "a {\n}\n"},
		{"quotes", `a "b c"d 'e f' g'h "#!{}" "\"\\\t\101\x42" ""`, `a "b cd" "e f" "g'h" "#!{}" "\"\\\011AB" ""` + "\n"},
		{"windows", "\ufeffa 1\r\nb 2\r\n", "a 1\n\nb 2\n"},
		{"definition", "$A=10.0.0\n$P=80\nvs ${A}.1 $P\n", "vs 10.0.0.1 80\n"},
		{"late", "$A=1${B}\n$B=2\nx ${A}\n$B=3\nx ${A}\n", "x 12\n\nx 13\n"},
		{"undefined", "x $A\n", `x "\$A"` + "\n"},
		{"block", "$RS= \\\n rs 10.0.0.${N} { \\\n  weight 1 \\\n }\n$N=1\n$RS\n$N=2\n$RS\n",
			"rs 10.0.0.1 {\n    weight 1\n}\n\nrs 10.0.0.2 {\n    weight 1\n}\n"},
		{"nested", "$IN= \\\n b ${N} \\\n\n$OUT= \\\n a { \\\n $N=7 \\\n $IN \\\n }\n$OUT\n", "a {\n    b 7\n}\n"},
		{"predefined", "a ${_PWD}/x ${_INSTANCE} ${_HASH}${_BANG}\n", "a /etc/k/x one \"#!\"\n"},
		{"condition", "@one a\n@two b\n@^one c\n@^two d\n@two $X= \\\n gone \\\n gone\n$IF=@one\n$IF e\n", "a\n\nd\n\ne\n"},
		{"include", "include more.conf\nz { \n include d/*.conf\n}\n", "m\n\nz {\n    d1\n    d2\n}\n"},
		{"nothing to include", "include none/*.conf\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			others := files{"/etc/k/more.conf": "m\n", "/etc/k/d/1.conf": "d1\n", "/etc/k/d/2.conf": "include 3\n", "/etc/k/d/3": "d2\n"}
			c, err := Parse("/etc/k/keepalived.conf", []byte(tt.text), others.options("one"))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(c.Render()); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// TestRefused: what cannot be read is refused with its line and what to do.
func TestRefused(t *testing.T) {
	others := files{"/e/self": "\ninclude self\n", "/e/bad": "ok\n}\n", "/e/secret": "secret"}
	for _, tt := range []struct{ name, text, want string }{
		{"no end", "a {\n b {\n }\n", `k:1: "a {": this { has no }`},
		{"no begin", "a\n}\n", `k:2: "}": this } has no { before it`},
		{"no keyword", "{\n}\n", `k:1: "{": this { has no keyword`},
		{"two blocks", "a {\n}\n{\n}\n", "k:3: "},
		{"quote", "a\nb \"c\n", `k:2: "b \"c": a quote`},
		{"empty keyword", `"" a`, "k:1: "},
		{"continued", "a b \\\nc\n", `k:1: "a b": a \ at the end`},
		{"latin1", "a\n# \xe9\n", "k:2: this is not UTF-8: if it is Latin-1, convert it: iconv"},
		{"zero", "a\x00", "k:1: a zero byte"},
		{"sequence", "~SEQ(I, 1, 9) a\n", "k:1: \"~SEQ(I, 1, 9) a\": ~SEQ and ~LST are not read"},
		{"random", "a ${_RANDOM 1 2}\n", "k:1: "},
		{"endless", "$A=x${A}\nb ${A}\n", "definitions make too much"},
		{"endless block", "$A= \\\n $A \\\n $A\n$A\n", "definitions make too much"},
		{"first line of a block", "$A=b \\\nc\n", "k:1: "},
		{"deep", strings.Repeat("a {\n", 50), "k:33: \"a {\": blocks in blocks"},
		{"large", strings.Repeat("a\n", maxSize), "k:1: more than 1 MB"},
		{"no file", "a\ninclude gone\n", `k:2: "include gone": there is no such file`},
		{"no right", "include secret\n", `k:1: "include secret": cannot be read: open /e/secret: permission denied`},
		{"itself", "include self\n", `/e/self:2: "include self": /e/self includes itself`},
		{"within", "include bad\n", `/e/bad:2: "}"`},
		{"pattern", "include [\n", "k:1: "},
		{"conditional include", "@one include bad\n", "k:1: "},
		{"braces", "include {a,b}.conf\n", "k:1: "},
		{"two names", "include a b\n", "k:1: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("/e/k", []byte(tt.text), others.options("one"))
			var e *Error
			if !errors.As(err, &e) || e.File == "" || e.Line < 1 || e.Reason == "" {
				t.Fatalf("an error without its place: %#v", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
	if _, err := Parse("k", []byte("include a\n"), Options{}); err == nil {
		t.Error("an include is read without a way to read files")
	}
	if _, err := Parse("/e/k", []byte("include secret\n"), others.options("")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("the cause is lost: %v", err)
	}
}

// TestLeftOut: what a condition leaves out is told, and an include without a file.
func TestLeftOut(t *testing.T) {
	nothing := func(string) ([]string, error) { return nil, nil }
	c, err := Parse("k", []byte("a {\n@backup b\n@^main c\n}\ninclude conf.d/*.conf\n"), Options{ID: "main", ReadFile: os.ReadFile, Glob: nothing})
	if err != nil {
		t.Fatal(err)
	}
	want := []Left{{"k", 2, "@backup"}, {"k", 3, "@^main"}, {"k", 5, ""}}
	if !slices.Equal(c.Left, want) {
		t.Errorf("got %v, want %v", c.Left, want)
	}
}

// TestSamples reads each sample of keepalived's documentation, where it is installed.
func TestSamples(t *testing.T) {
	names, _ := filepath.Glob("/usr/share/doc/keepalived/samples/keepalived.conf.*")
	if len(names) == 0 {
		t.Skip("no samples of keepalived are installed")
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse(name, data, Options{ID: "high"})
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && len(c.Directives) == 0 {
			t.Errorf("%s: nothing is read", name)
		}
	}
}
