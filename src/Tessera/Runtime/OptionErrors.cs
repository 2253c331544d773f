namespace Tessera.Runtime;

/// <summary>An error whose message speaks of options, which whoever took them from a user can say how to set.</summary>
public interface INamesOptions
{
    /// <summary>The options, by their path in a run's options (<c>Training.LearningRate</c>), in the message's order; empty: none.</summary>
    IReadOnlyList<string> Options { get; }
}

/// <summary>Something that is wrong with options.</summary>
/// <param name="Message">A sentence, without its capital and its full stop.</param>
/// <param name="Options">Other options that it advises to change, by their path.</param>
public sealed record OptionFault(string Message, params IReadOnlyList<string> Options)
{
    /// <summary>A fault whose message names its option in words.</summary>
    public static implicit operator OptionFault(string message) => new(message);

    /// <inheritdoc/>
    public override string ToString() => Message;
}

/// <summary>Options that cannot be run. The message names every fault.</summary>
public sealed class OptionsException(IReadOnlyList<OptionFault> faults) : Exception(Join(faults)), INamesOptions
{
    /// <summary>Options that cannot be run, for reasons that name their options in words.</summary>
    public OptionsException(IEnumerable<string> faults) : this([.. faults.Select(f => new OptionFault(f))]) { }

    /// <summary>The faults, a sentence each.</summary>
    public IReadOnlyList<OptionFault> Faults { get; } = faults;

    /// <inheritdoc/>
    public IReadOnlyList<string> Options => [.. Faults.SelectMany(f => f.Options).Distinct()];

    private static string Join(IReadOnlyList<OptionFault> faults)
    {
        var text = string.Join("; ", faults);
        return text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..] + ".";
    }
}
