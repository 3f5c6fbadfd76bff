package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// printTable prints a line for each case. The times are medians in milliseconds.
func printTable(w io.Writer, cases []testCase, facts map[string]facts, results map[string]map[setting][]sample, limited bool) {
	const columns = "%-34s %6s %8s %7s %6s %6s | %7s %7s %6s"
	header := fmt.Sprintf(columns, "", "MB", "packages", "init ms", "allocs", "KB", "0 ms", "30 ms", "CPU")
	groups := fmt.Sprintf("%-72s | %-22s", "", "full core")
	if limited {
		header += fmt.Sprintf(" | %7s %7s %6s", "0 ms", "30 ms", "CPU")
		groups += fmt.Sprintf(" | %-22s", "share of 128 MB")
	}
	fmt.Fprintf(w, "%s\n%s\n", groups, header)
	for _, c := range cases {
		f, samples := facts[c.program], results[c.name]
		fmt.Fprintf(w, columns, c.name, fmt.Sprintf("%.1f", float64(f.size)/1e6), fmt.Sprint(f.packages), ms(f.init),
			fmt.Sprint(f.allocs), fmt.Sprint(f.bytes/1024), ms(total(samples, false, 0)), ms(total(samples, false, latencies[1])), ms(cpu(samples, false)))
		if limited {
			fmt.Fprintf(w, " | %7s %7s %6s", ms(total(samples, true, 0)), ms(total(samples, true, latencies[1])), ms(cpu(samples, true)))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, "\n0 ms, 30 ms: time from exec to the first secret in ms, with this latency of the store. CPU: CPU time of the process in ms, at 0 ms.")
}

func total(samples map[setting][]sample, limited bool, latency time.Duration) time.Duration {
	return median(durations(samples[setting{limited, latency}], func(s sample) time.Duration { return s.total }))
}

func cpu(samples map[setting][]sample, limited bool) time.Duration {
	return median(durations(samples[setting{limited, 0}], func(s sample) time.Duration { return s.cpu }))
}

func durations(samples []sample, get func(sample) time.Duration) (values []time.Duration) {
	for _, s := range samples {
		values = append(values, get(s))
	}
	return values
}

func median(values []time.Duration) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()*1000) }
