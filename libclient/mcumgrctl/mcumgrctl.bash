# SPDX-License-Identifier: MIT
# bash completion for mcumgrctl. The verbs and options are asked of the program itself, so that the two cannot differ.

# A line a verb: words, options, arguments, between tabs; options that take a value end with '='.
_mcumgrctl_row()
{
	mcumgrctl --verbs 2>/dev/null | awk -F '\t' -v title="$1" '$1 == title'
}

_mcumgrctl_devices()
{
	mcumgrctl ${socket:+--socket "$socket"} list 2>/dev/null | awk '
		$1 == "HUB" { exit } # their table comes behind that of the boards
		$1 == "ID" { boards = 1; next }
		boards && NF { print $1; if ($2 != "-") print $2 }'
}

_mcumgrctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} socket='' verb='' options valued w i
	local -a words=()

	if [[ $word == '=' ]]; then
		word=''
	elif [[ $previous == '=' ]]; then
		previous=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	# The words before this one that are neither options nor their values. An equals sign is a word of its own.
	valued=" -d -t -s -b -u $(mcumgrctl --verbs 2>/dev/null | cut -f 2 | tr ' ' '\n' | sed -n 's/=$//p' | tr '\n' ' ')"
	for ((i = 1; i < COMP_CWORD; i++)); do
		w=${COMP_WORDS[i]}
		if [[ $w == -* && $valued == *" $w "* ]]; then
			((i++))
			[[ ${COMP_WORDS[i]} == '=' ]] && ((i++))
			[[ $w == --socket ]] && socket=${COMP_WORDS[i]}
		elif [[ $w != -* && ! ($w == help && ${#words[@]} -eq 0) ]]; then
			words+=("$w")
		fi
	done

	verb=${words[0]}
	[[ -n $verb && -z $(_mcumgrctl_row "$verb") ]] && verb="${words[0]} ${words[1]}"
	COMPREPLY=()
	case $previous in
	-d | --device | -u | --usb-serial)
		mapfile -t COMPREPLY < <(compgen -W "$(_mcumgrctl_devices)" -- "$word")
		return
		;;
	--socket | -s | --serial)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	esac
	if [[ $previous == -* && $valued == *" $previous "* ]]; then
		return # a value that nobody knows here
	elif [[ $word == -* ]]; then
		options=$({ _mcumgrctl_row "$verb"; _mcumgrctl_row '*'; } | cut -f 2 | tr -d '=')
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
	elif ((${#words[@]} == 0)); then
		mapfile -t COMPREPLY < <(compgen -W "help $(mcumgrctl --verbs | cut -f 1 | cut -d ' ' -f 1 | grep -v '\*' | sort -u)" -- "$word")
	elif ((${#words[@]} == 1)) && [[ -z $(_mcumgrctl_row "${words[0]}") ]]; then
		options=$(mcumgrctl --verbs | cut -f 1 | awk -v group="${words[0]}" '$1 == group && NF == 2 { print $2 }')
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
	elif [[ " $(_mcumgrctl_row "$verb" | cut -f 3) " == *" DEV "* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_mcumgrctl_devices)" -- "$word")
	elif [[ " $(_mcumgrctl_row "$verb" | cut -f 3) " == *" FILE "* ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}

complete -o filenames -o bashdefault -o default -F _mcumgrctl mcumgrctl
