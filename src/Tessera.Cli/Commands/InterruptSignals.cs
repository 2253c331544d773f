using System.Runtime.InteropServices;
using Tessera.Cli.Console;

namespace Tessera.Cli.Commands;

/// <summary>
/// Turns Ctrl-C, SIGTERM and a terminal that closes (SIGHUP) into a request to end well, and SIGUSR1 into one to save what there is. A second Ctrl-C ends
/// at once.
/// </summary>
/// <remarks>.NET leaves alone what was ignored when the program began: under <c>nohup</c> it goes on without its terminal.</remarks>
internal sealed class InterruptSignals : IDisposable
{
    private readonly Terminal terminal;
    private readonly CancellationTokenSource source = new();
    private readonly List<PosixSignalRegistration> registrations = [];

    public InterruptSignals(Terminal terminal)
    {
        this.terminal = terminal;
        registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle));
        registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle));
        registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGHUP, Handle));
        if (OperatingSystem.IsLinux() || OperatingSystem.IsMacOS())
            registrations.Add(PosixSignalRegistration.Create((PosixSignal)(OperatingSystem.IsMacOS() ? 30 : 10), HandleSave)); // SIGUSR1
    }

    public CancellationToken Token => source.Token;

    /// <summary>Saves what there is; null while there is nothing.</summary>
    public Action? Save { get; set; }

    public void Dispose()
    {
        foreach (var registration in registrations) registration.Dispose();
        source.Dispose();
    }

    private void HandleSave(PosixSignalContext context)
    {
        context.Cancel = true;
        Save?.Invoke();
    }

    private void Handle(PosixSignalContext context)
    {
        // The shell and the system both tell of a terminal that closes, and Slurm tells twice of the end of a job's time: that is no impatience.
        context.Cancel = context.Signal is PosixSignal.SIGHUP or PosixSignal.SIGTERM || !source.IsCancellationRequested;
        if (source.IsCancellationRequested) return;
        terminal.Note("stopping; a second Ctrl-C stops at once");
        source.Cancel();
    }
}
