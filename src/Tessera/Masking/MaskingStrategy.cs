using Tessera.Imaging;

namespace Tessera.Masking;

/// <summary>Chooses which units of a grid are hidden. A new strategy is a class like the ones beside this, and a name in <see cref="Named"/>.</summary>
public abstract class MaskingStrategy
{
    /// <summary>Hides exactly <paramref name="count"/> of the units.</summary>
    /// <param name="hidden">The grid in raster order, all false; the chosen ones become true.</param>
    /// <param name="rows">Rows of the grid.</param>
    /// <param name="columns">Columns of the grid.</param>
    /// <param name="count">How many are hidden, at least 1 and fewer than all.</param>
    /// <param name="random">This picture's own random sequence.</param>
    public abstract void Hide(Span<bool> hidden, int rows, int columns, int count, ref CounterRandom random);

    /// <summary>The strategies by their names on the command line.</summary>
    public static IReadOnlyDictionary<string, MaskingStrategy> Named { get; } = new Dictionary<string, MaskingStrategy>
    {
        ["random"] = new RandomMasking(),
        ["block"] = new BlockMasking(),
        ["grid"] = new GridMasking(),
    };
}

/// <summary>Hides units drawn uniformly without replacement (MAE, arXiv:2111.06377, section 3).</summary>
public sealed class RandomMasking : MaskingStrategy
{
    /// <inheritdoc/>
    public override void Hide(Span<bool> hidden, int rows, int columns, int count, ref CounterRandom random)
    {
        // Floyd 1987: one draw for each hidden unit, and no list of all of them.
        for (var last = hidden.Length - count; last < hidden.Length; last++)
        {
            var drawn = random.NextBelow(last + 1);
            hidden[hidden[drawn] ? last : drawn] = true;
        }
    }
}
