namespace Tessera.Kills;

/// <summary>Something that the command does and that a kill may come into.</summary>
/// <param name="name">For people.</param>
internal abstract class Work(string name) : IDisposable
{
    /// <summary>For people, and for <c>--work</c>.</summary>
    public string Name => name;

    /// <summary>Whether a file that is there under its own name is the finished one; of a training it may be one of an earlier step.</summary>
    public virtual bool IsOneFile => true;

    /// <summary>Whether a file must be there; vectors are only kept so that the next command is faster, and on a full disk the work goes on without.</summary>
    public static bool IsMissed(string name) => !name.StartsWith("cache/features-", StringComparison.Ordinal);

    /// <summary>Ways to do it, which take turns.</summary>
    public virtual int Ways => 1;

    /// <summary>Makes what the work begins with.</summary>
    /// <param name="inputs">A folder for it.</param>
    public virtual void Prepare(string inputs)
    {
    }

    /// <summary>Makes a place as it is before the work's first command.</summary>
    public virtual void Begin(string place) => Directory.CreateDirectory(place);

    /// <summary>The command that one gives next, at first and after a kill.</summary>
    /// <param name="place">The folder that everything is written into.</param>
    /// <param name="way">Which way, from 0.</param>
    public abstract IReadOnlyList<string> Command(string place, int way);

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the work needs besides files.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }

    /// <summary>Runs a command that must succeed.</summary>
    protected static void Do(params string[] arguments)
    {
        using var process = new CommandProcess(arguments);
        if (process.Finish() is { Code: not 0 } failed) throw new InvalidOperationException($"tessera {string.Join(' ', arguments)}: {failed.LastError}");
    }
}
