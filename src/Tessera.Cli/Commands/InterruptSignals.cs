using System.Runtime.InteropServices;
using Tessera.Cli.Console;

namespace Tessera.Cli.Commands;

/// <summary>Turns Ctrl-C and SIGTERM into a request to end well. A second one ends at once.</summary>
internal sealed class InterruptSignals : IDisposable
{
    private readonly Terminal terminal;
    private readonly CancellationTokenSource source = new();
    private readonly PosixSignalRegistration interrupt, terminate;

    public InterruptSignals(Terminal terminal)
    {
        this.terminal = terminal;
        interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle);
        terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle);
    }

    public CancellationToken Token => source.Token;

    public void Dispose()
    {
        interrupt.Dispose();
        terminate.Dispose();
        source.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        if (source.IsCancellationRequested) return;
        context.Cancel = true;
        terminal.Note("stopping; a second interrupt stops at once");
        source.Cancel();
    }
}
