// Apex through a parser of the language. Parsed only: no org compiles it here and no test of it runs.
import apex from '@apexdevtools/apex-parser';
import antlr from 'antlr4ts';

const { ApexLexer, ApexParser, CaseInsensitiveInputStream, CommonTokenStream, ThrowingErrorListener } = apex;

// Words that Apex keeps for itself but that the parser lets pass as names (Apex Developer Guide, Reserved Keywords).
const RESERVED = 'activate any array autonomous begin bigdecimal bulk byte case cast char collect commit const default desc exit export float goto group having hint import inner into join loop number of outer parallel pragma retrieve rollback search short sort stat then transaction'.split(' ');

export function checkApex(project) {
  const problems = [];
  for (const { name, text } of project.files.filter((f) => /\.(cls|trigger)$/.test(f.name))) {
    const lexer = new ApexLexer(new CaseInsensitiveInputStream(antlr.CharStreams.fromString(text, name)));
    const parser = new ApexParser(new CommonTokenStream(lexer));
    for (const part of [lexer, parser]) {
      part.removeErrorListeners();
      part.addErrorListener(new ThrowingErrorListener());
    }
    try {
      if (name.endsWith('.trigger')) parser.triggerUnit();
      else parser.compilationUnit();
    } catch (error) {
      problems.push(`${name}:${error.line}: ${error.message}`);
    }
    for (const [, word] of text.matchAll(/\b[A-Z]\w*(?:<[\w<>, ]+>)? (\w+)(?= *[=;(,)])/g)) if (RESERVED.includes(word.toLowerCase())) problems.push(`${name}: "${word}" is a reserved word`);
  }
  return problems;
}
