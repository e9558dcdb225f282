# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/run's part for User-Mode Linux: an ordinary program of the host, on one processor.
# shellcheck disable=SC2154,SC2034 # what lab/run has, and what it takes from here

tools=(taskset)
drivers=(nullblk file scsi_debug)
image=um-$kernel${variant:+-$variant}/linux
((smp == 1)) || bad "--smp $smp: User-Mode Linux has one processor"

ubd=()

# add_image NR DRIVER FILE: a disk in that file below out/.  It is named on a command
# line that User-Mode Linux splits at blanks, so its path is one without.
add_image()
{
	ubd+=("ubd${#ubd[@]}=/dev/shm/out/$3")
}

# One processor for a guest: its system calls are handed from process to process,
# and that is four times dearer between two.  Guests share the processors there are.
choose_processor()
{
	local cpus c
	mapfile -t cpus < <(taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' |
		while IFS=- read -r first last; do seq "$first" "${last:-$first}"; done)
	cpu=${cpus[RANDOM % ${#cpus[@]}]}
	for c in "${cpus[@]}"; do
		exec {slot}>"$top/out/lab/.cpu$c"
		if flock -n "$slot"; then
			cpu=$c
			return
		fi
		exec {slot}>&-
	done
}

# The guest, with 3 and 4 for input and output, 5 for error, 6 for the kernel's log, and 7
# for what it has taken of its input.
guest_command()
{
	local lines=("con=null" "ssl0=fd:3,null" "ssl1=null,fd:4" "ssl2=null,fd:5"
		"ssl4=null,fd:7")
	((!interactive)) || lines=("con0=fd:3,fd:4")
	choose_processor
	command_line=(taskset -c "$cpu" "$linux" "mem=${mem}M"
		root=/dev/root rootfstype=hostfs rootflags=/ noreboot
		uml_dir=/dev/shm/tmp/ umid=guest
		"${lines[@]}" "ssl3=null,fd:6" console=ttyS3 earlyprintk
		"${ubd[@]}" "${kernel_arguments[@]}")
}
