package hush_test

import (
	"encoding/json"
	"errors"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A subject is something that must not be printed: an instance in every shape, and the
// secrets that it holds.
type subject struct {
	shapes  []shape
	secrets []string
}

// holding returns v as a subject that holds the canary and more secrets. A type that
// holds no secret is a subject as well, because a later change may make it hold one.
func holding[V any](v V, more ...string) subject {
	return subject{shapesOf(v), append(more, canary)}
}

// TestRedactionOfEveryType prints an instance of each exported type of the module, and
// what each function returns that hides its type. A new one needs an entry in a group
// of subjects.
func TestRedactionOfEveryType(t *testing.T) {
	var names []string
	for _, group := range subjectGroups {
		subjects := group(t)
		for _, name := range slices.Sorted(maps.Keys(subjects)) {
			names = append(names, name)
			t.Run(name, subjects[name].test)
		}
	}
	slices.Sort(names)
	assert.Equal(t, exportedHolders(t), names, "each of these needs an entry in a group, and no other has one")
}

func (s subject) test(t *testing.T) {
	var forms []string
	for _, secret := range s.secrets {
		forms = append(forms, formsOf(secret)...)
	}
	for _, p := range fewPrinters() {
		assert.Empty(t, leaksOf(p, s.shapes, forms), p.name)
	}
}

// exportedHolders returns the exported names of all packages that a program can import,
// as "vault.Provider": the types that can hold a text, and the functions that return an
// interface or an unexported type, which can hold one without having a name for it.
func exportedHolders(t *testing.T) (names []string) {
	t.Helper()
	exports := exportData(t)
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for path, file := range exports {
		// A package with only tests has no file.
		if file == "" || !strings.HasPrefix(path+"/", module+"/") || strings.Contains(path, "/internal/") {
			continue
		}
		pkg, err := imp.Import(path)
		require.NoError(t, err)
		if pkg.Name() == "main" {
			continue
		}
		for _, name := range pkg.Scope().Names() {
			if object := pkg.Scope().Lookup(name); object.Exported() && mayHold(object) {
				names = append(names, strings.TrimPrefix(relative(path)+"."+name, ".."))
			}
		}
	}
	slices.Sort(names)
	return names
}

// mayHold reports whether object is a type or a function that needs a subject.
func mayHold(object types.Object) bool {
	switch o := object.(type) {
	case *types.TypeName:
		switch u := o.Type().Underlying().(type) {
		case *types.Interface, *types.Signature, *types.Chan:
			return false
		case *types.Basic:
			return u.Info()&types.IsString != 0
		}
		return true
	case *types.Func:
		for result := range o.Signature().Results().Variables() {
			if named, ok := types.Unalias(result.Type()).(*types.Named); ok && hides(named) {
				return true
			}
		}
	}
	return false
}

// hides reports whether a result of this type does not say what it is.
func hides(named *types.Named) bool {
	_, isInterface := named.Underlying().(*types.Interface)
	isError := named.Obj().Pkg() == nil
	return !isError && (isInterface || !named.Obj().Exported())
}

// exportData returns the file with the compiler's export data for each package that the
// module links.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Export", "./...").Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		require.NoError(t, err, "%s", e.Stderr)
	}
	require.NoError(t, err)
	files := map[string]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct{ ImportPath, Export string }
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		files[p.ImportPath] = p.Export
	}
}
